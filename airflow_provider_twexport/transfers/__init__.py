"""Move results to object storage."""
