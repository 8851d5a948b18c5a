"""Talkwalker: its API, and exports that are planned, bought once and landed; nothing here knows Airflow."""
