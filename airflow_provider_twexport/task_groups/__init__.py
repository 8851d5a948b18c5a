"""Whole pipelines in one call."""
