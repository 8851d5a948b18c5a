"""30-day and full-archive search: posts and counts."""
