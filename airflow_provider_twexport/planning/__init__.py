"""What to order: windows and the names their content gives them; nothing here knows Airflow."""
