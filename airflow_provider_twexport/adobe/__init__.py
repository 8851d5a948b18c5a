"""Adobe Experience Platform: export jobs and their files; nothing here knows Airflow."""
