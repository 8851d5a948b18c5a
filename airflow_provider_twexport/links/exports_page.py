"""Buttons to the Exports page of this Airflow."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from airflow_provider_twexport.links.base import PushedLink

if TYPE_CHECKING:
    from airflow.sdk import Context


class ManifestLink(PushedLink):
    """A landing on the Exports page of this Airflow, from the task's start on."""

    name = "Manifest"
    xcom_key = "manifest_page"

    @classmethod
    def push(cls, context: Context, directory: object) -> None:
        """Set the URL of the button.

        :param context: of the task.
        :param directory: of the landing; its text is its URL.
        """
        from airflow_provider_twexport.storage.manifest import address

        cls.push_url(context, _exports_page(view="landings", manifest=address(directory)))


class ExportsPageLink(PushedLink):
    """The export's row on the Exports page of this Airflow, from the task's start on."""

    name = "Exports page"
    xcom_key = "exports_page"

    @classmethod
    def push(cls, context: Context, export_key: str) -> None:
        """Set the URL of the button.

        :param context: of the task.
        :param export_key: the id of an export, or of what owns its results.
        """
        cls.push_url(context, _exports_page(export_id=export_key))


def _exports_page(**query: str) -> str:
    # without host and prefix, because a worker may not know the URL of the API server
    return f"plugin/exports?{urlencode(query, safe='', quote_via=quote)}"
