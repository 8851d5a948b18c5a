"""What to order and what it will cost."""
