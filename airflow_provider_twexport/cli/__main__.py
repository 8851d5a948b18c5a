"""``python -m airflow_provider_twexport.cli``."""

from __future__ import annotations

import sys

from airflow_provider_twexport.cli import main

if __name__ == "__main__":
    sys.exit(main())
