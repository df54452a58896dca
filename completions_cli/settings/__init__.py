"""What to use, from flags, variables, profile and defaults, each value with where it came from."""
