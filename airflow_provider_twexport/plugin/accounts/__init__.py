"""What the page shows of each service's connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.plugin.accounts.adobe import AdobeAccount
from airflow_provider_twexport.plugin.accounts.talkwalker import TalkwalkerAccount
from airflow_provider_twexport.plugin.accounts.x import XAccount

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_twexport.plugin.accounts.base import Account

KINDS: tuple[type[Account], ...] = (TalkwalkerAccount, AdobeAccount, XAccount)
BY_CONN_TYPE = {kind.conn_type: kind for kind in KINDS}
_BY_SYSTEM = {system: kind for kind in KINDS for system in kind.systems}


def kind_of(source: Mapping[str, Any]) -> type[Account] | None:
    """Return the kind of connection that a landing comes from; ``None`` if it is none of ours.

    :param source: of its manifest.
    """
    return _BY_SYSTEM.get(str(source.get("system")))


def export_key(source: Mapping[str, Any]) -> str | None:
    """Return what identifies the export of a landing among those of all connections; ``None`` if there is none.

    :param source: of its manifest.
    """
    kind = kind_of(source)
    return kind.key(source) if kind else None
