"""A button to Adobe Experience Platform."""

from __future__ import annotations

from airflow_provider_twexport.links.base import PushedLink


class AdobeExportJobLink(PushedLink):
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
