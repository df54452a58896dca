"""How fast to ask: pure arithmetic on times that come in as values (monotonic seconds), no I/O, no clock.

Four things hold requests back, and the slowest decides: what the user allows (`bucket`), what the server's
headers say is left (`mirror`), what its 429s teach (`learned`), and how many may be in flight (`concurrency`).
"""
