"""Many requests from a file: rows in, a paced run, a journal out. A run can be resumed at any moment."""
