"""The monitoring page inside the Airflow UI: what was ordered, how far it is, what it costs, where it landed."""
