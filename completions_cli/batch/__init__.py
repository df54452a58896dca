"""Many requests from a file: rows in, a journal out, paced between the two. Resumable at any moment."""
