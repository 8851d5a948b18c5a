"""A whole Airflow on this machine: for `make demo` and for the live tests."""
