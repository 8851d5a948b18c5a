"""Apache Airflow provider that lands paid export jobs in object storage, exactly once."""

__version__ = "0.1.0"
