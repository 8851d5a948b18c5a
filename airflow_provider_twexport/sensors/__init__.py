"""Wait; one look is one question."""
