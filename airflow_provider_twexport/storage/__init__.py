"""Batches become parts, parts become a manifest, on any fsspec path; nothing here knows HTTP or Airflow."""
