"""An Airflow connection becomes a signed client."""
