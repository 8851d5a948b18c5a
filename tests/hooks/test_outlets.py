"""What a landing tells the assets of its task, in a real Airflow: which DAGs run then, and what they read."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DAG, Asset, AssetAlias, task

from airflow_provider_twexport.planning.layout import PARTITIONS
from airflow_provider_twexport.task_groups.talkwalker import talkwalker_export
from airflow_provider_twexport.transfers.x_search_to_object_storage import XSearchToObjectStorageOperator

if TYPE_CHECKING:
    from pathlib import Path

    from tests.running_dags import DagRunner

pytestmark = pytest.mark.usefixtures("talkwalker_connection", "x_connection", "quick_retries")
