"""Keys and tokens: where they come from, and the headers they become."""
