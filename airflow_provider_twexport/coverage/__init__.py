"""Which days of which query landed, from manifests alone; nothing here knows a service or Airflow."""
