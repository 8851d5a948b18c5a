"""Start one thing and return its id."""
