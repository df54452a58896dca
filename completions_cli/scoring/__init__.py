"""Log-probabilities of given text: which requests to send, and what may be read from the answers. No I/O."""
