"""Rows in: a file a format, and what they share. Nothing here opens files or knows what a run is."""
