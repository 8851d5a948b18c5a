"""Buttons in the Airflow UI."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from airflow.providers.common.compat.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context
    from airflow.sdk.types import TaskInstanceKey


class _PushedLink(BaseOperatorLink):
    """Leads to an address that the operator pushes as soon as there is one.

    Airflow itself asks for a link only when the task has ended, and its UI reads nothing but this XCom.
    """

    xcom_key = ""

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address that the operator pushed."""
        from airflow.providers.common.compat.sdk import XCom

        return XCom.get_value(ti_key=ti_key, key=self.xcom_key) or ""

    @classmethod
    def lead_to(cls, context: Context, address: str) -> None:
        """Make the button lead to an address.

        :param context: of the task.
        :param address: absolute, or below Airflow's own.
        """
        # a script or a test of somebody's may execute an operator without a task, and then there is no button
        if "ti" in context:
            context["ti"].xcom_push(key=cls.xcom_key, value=address)


class TalkwalkerExportLink(_PushedLink):
    """Leads to the export task at Talkwalker."""

    name = "Talkwalker export"
    xcom_key = "talkwalker_export_url"


class AdobeExportJobLink(_PushedLink):
    """Leads to the dataset that an export job fills: Adobe's UI has no page for the job itself."""

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
    """Leads to Talkwalker itself, from the task's start on."""

    name = "Talkwalker"
    xcom_key = "talkwalker_console_url"

    @classmethod
    def push(cls, context: Context) -> None:
        """Make the button work.

        :param context: of the task.
        """
        # where people log in; no vendor page says how a project's own address is made
        cls.lead_to(context, "https://app.talkwalker.com/app/login")


class ManifestLink(_PushedLink):
    """Leads to a landing on the Exports page of this Airflow, from the task's start on."""

    name = "Manifest"
    xcom_key = "manifest_page"

    @classmethod
    def push(cls, context: Context, directory: object) -> None:
        """Make the button work.

        :param context: of the task.
        :param directory: where it lands; its text is its address.
        """
        cls.lead_to(context, _exports_page(view="landings", manifest=f"{directory}/_manifest.json"))


class ExportsPageLink(_PushedLink):
    """Leads to the export's row on the Exports page of this Airflow, from the task's start on."""

    name = "Exports page"
    xcom_key = "exports_page"

    @classmethod
    def push(cls, context: Context, sought: str) -> None:
        """Make the button work.

        :param context: of the task.
        :param sought: an export or a collector.
        """
        cls.lead_to(context, _exports_page(export_id=sought))


def _exports_page(**asked: str) -> str:
    # without host and prefix, because a worker need not know where the API server is
    return f"plugin/exports?{urlencode(asked, safe='', quote_via=quote)}"
