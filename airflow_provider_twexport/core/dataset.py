"""Where results come from, as lineage tools name it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_twexport.core.schema import Schema


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset of a service.

    :param namespace: ``system://host``, always the service's own host, whatever a connection says.
    :param name: what is exported from there.
    :param schema: the typed columns of its results; ``None`` if they have none.
    """

    namespace: str
    name: str
    schema: Schema | None = None
