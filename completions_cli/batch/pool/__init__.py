"""The services that a batch asks: each with everything of its own, and who gets the next row."""
