"""Pure protocol clients, one module a service; nothing here knows Airflow."""
