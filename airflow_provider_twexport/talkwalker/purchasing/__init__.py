"""Ordering a window once, within a budget."""
