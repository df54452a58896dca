"""An output as a flat table: a line a sample, in the order of the input, every column of one type."""
