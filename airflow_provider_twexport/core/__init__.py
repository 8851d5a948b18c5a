"""What every service shares: HTTP, retries, rate limits, windows; nothing here knows a service or Airflow."""
