"""X Enterprise: search and volume streams; nothing here knows Airflow."""
