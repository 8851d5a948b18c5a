"""What every operator that lands something tells other tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_twexport.links import ManifestLink
from airflow_provider_twexport.telemetry import assets

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath
    from airflow.sdk import Context

    from airflow_provider_twexport.storage.manifest import Manifest


class LandingOperator(BaseOperator):
    """Base of the operators that land something in one directory: they tell of it in all of Airflow's ways.

    While the task runs, a button leads to the manifest. When the landing is there, and also when it was there before,
    the XCom ``twexport`` has its facts; each asset among the ``outlets`` gets them with its event, and each asset alias
    gets the directory as an asset; OpenLineage is told where from and where to.
    """

    system: ClassVar[str]
    operator_extra_links: Any = (ManifestLink(),)
    _landed: tuple[ObjectStoragePath, Manifest] | None = None

    def _tell_landing(self, context: Context, directory: ObjectStoragePath, manifest: Manifest) -> None:
        self._landed = (directory, manifest)
        assets.publish(context, {directory: manifest})

    def get_openlineage_facets_on_complete(self, ti: Any) -> Any:
        """Return where the results come from and what has landed; OpenLineage calls this when the task has ended."""
        from airflow_provider_twexport.telemetry.openlineage import lineage_of

        return lineage_of(*self._landed) if self._landed else None
