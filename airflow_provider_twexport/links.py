"""Buttons in the Airflow UI."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from airflow.providers.common.compat.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context
    from airflow.sdk.types import TaskInstanceKey


class _PushedLink(BaseOperatorLink):
    """A button to a URL that the operator pushes as soon as it is known.

    Airflow itself computes a link only when the task has ended; its UI reads only this XCom.
    """

    xcom_key = ""

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the URL that the operator pushed."""
        from airflow.providers.common.compat.sdk import XCom

        return XCom.get_value(ti_key=ti_key, key=self.xcom_key) or ""

    @classmethod
    def push_url(cls, context: Context, url: str) -> None:
        """Set the URL of the button.

        :param context: of the task.
        :param url: absolute, or relative to Airflow's own.
        """
        # a script or a test may execute an operator without a task, and then there is no button
        if "ti" in context:
            context["ti"].xcom_push(key=cls.xcom_key, value=url)


class TalkwalkerExportLink(_PushedLink):
    """The export task at Talkwalker."""

    name = "Talkwalker export"
    xcom_key = "talkwalker_export_url"


class AdobeExportJobLink(_PushedLink):
    """The dataset that an export job fills: Adobe's UI has no page for the job itself."""

    name = "Adobe export"
    xcom_key = "adobe_export_url"

    @staticmethod
    def dataset_url(dataset_id: str, sandbox: str, tenant: str | None = None) -> str:
        """Return the URL of a dataset in Adobe's UI.

        Adobe's own notebooks build it so: ``get_ui_link`` in ``notebooks/databricks/CommonInclude.py`` of the
        repository ``Adobe-Marketing-Cloud/aep-cloud-ml-ecosystem``. Its documents also show URLs without tenant and
        sandbox, but none with only a sandbox.

        :param tenant: the organization's; without it, Adobe's UI looks in the organization and sandbox that its user
            opened last.
        """
        scope = f"@{tenant}/sname:{sandbox}/" if tenant else ""
        return f"https://experience.adobe.com/#/{scope}platform/dataset/browse/{dataset_id}"


class TalkwalkerConsoleLink(_PushedLink):
    """Talkwalker itself, from the task's start on."""

    name = "Talkwalker"
    xcom_key = "talkwalker_console_url"

    @classmethod
    def push(cls, context: Context) -> None:
        """Set the URL of the button.

        :param context: of the task.
        """
        # the login page; no vendor page says how to build the URL of a project
        cls.push_url(context, "https://app.talkwalker.com/app/login")


class ManifestLink(_PushedLink):
    """A landing on the Exports page of this Airflow, from the task's start on."""

    name = "Manifest"
    xcom_key = "manifest_page"

    @classmethod
    def push(cls, context: Context, directory: object) -> None:
        """Set the URL of the button.

        :param context: of the task.
        :param directory: of the landing; its text is its URL.
        """
        cls.push_url(context, _exports_page(view="landings", manifest=f"{directory}/_manifest.json"))


class ExportsPageLink(_PushedLink):
    """The export's row on the Exports page of this Airflow, from the task's start on."""

    name = "Exports page"
    xcom_key = "exports_page"

    @classmethod
    def push(cls, context: Context, export_key: str) -> None:
        """Set the URL of the button.

        :param context: of the task.
        :param export_key: the id of an export or a collector.
        """
        cls.push_url(context, _exports_page(export_id=export_key))


def _exports_page(**query: str) -> str:
    # without host and prefix, because a worker may not know the URL of the API server
    return f"plugin/exports?{urlencode(query, safe='', quote_via=quote)}"
