"""The Talkwalker sensor's question, asked from the triggerer."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakKeyDictionary

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_twexport.hooks.talkwalker import TalkwalkerHook, client_for
from airflow_provider_twexport.triggers.shared_poll import SharedPoll

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from airflow_provider_twexport.clients.errors import TwexportError
    from airflow_provider_twexport.clients.talkwalker import ExportTask, TalkwalkerClient


class TalkwalkerExportTrigger(BaseTrigger):
    """Wait until an export has ended, with one request per connection and interval for all that wait.

    Fires one event: ``{"outcome": "ended", "export": ...}``, ``{"outcome": "timeout"}``, or ``"retry_later"`` or
    ``"failed"`` with a ``message``.

    :param export_id: the export.
    :param talkwalker_conn_id: Airflow connection; read anew for each look, so that a new token is taken up.
    :param poke_interval: seconds between two looks.
    :param deadline: seconds since the epoch after which the wait is over.
    :param cancel_on_kill: abort the export if somebody fails, clears or marks the deferred task (Airflow 3.3 on).
    """

    def __init__(
        self,
        export_id: str,
        talkwalker_conn_id: str,
        poke_interval: float,
        deadline: float,
        cancel_on_kill: bool = True,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.export_id = export_id
        self.talkwalker_conn_id = talkwalker_conn_id
        self.poke_interval = poke_interval
        self.deadline = deadline
        self.cancel_on_kill = cancel_on_kill

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what it takes to go on in another triggerer."""
        fields = ("export_id", "talkwalker_conn_id", "poke_interval", "deadline", "cancel_on_kill")
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            name: getattr(self, name) for name in fields
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield the one event."""
        from airflow_provider_twexport.clients.errors import RetryLaterError, TwexportError

        try:
            async with asyncio.timeout(max(0.0, self.deadline - time.time())):
                task = await self._ended()
        except TimeoutError:
            event: dict[str, Any] = {"outcome": "timeout"}
        except RetryLaterError as error:
            event = {"outcome": "retry_later", "message": str(error)}
        except TwexportError as error:
            event = {"outcome": "failed", "message": f"{type(error).__name__}: {error}"}
        else:
            event = {"outcome": "ended", "export": task.to_json()}
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def _ended(self) -> ExportTask:
        poll = _ExportPoll.of(self.talkwalker_conn_id)
        last_status = None
        while True:
            answer = await poll.next_answer(self.export_id, self.poke_interval)
            if isinstance(answer, Exception):
                raise answer
            if answer.raw_status != last_status:
                self.log.info("Export %s is %s.", self.export_id, answer.raw_status)
                last_status = answer.raw_status
            if not answer.is_unfinished:
                return answer

    async def on_kill(self) -> None:
        """Abort the export; Airflow calls this when a user acts on the deferred task, not on a restart."""
        if self.cancel_on_kill:
            client = await _ExportPoll.of(self.talkwalker_conn_id).any_client()
            await asyncio.to_thread(client.abort_export, self.export_id)
            self.log.info("Aborted export %s; what it had exported stays in its collector.", self.export_id)


class _ExportPoll(SharedPoll["ExportTask | TwexportError"]):
    """One list request for all exports that are waited for on a connection."""

    _all: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, _ExportPoll]]] = WeakKeyDictionary()

    def __init__(self, talkwalker_conn_id: str) -> None:
        super().__init__(self._exports)
        self._conn_id = talkwalker_conn_id
        self._client: TalkwalkerClient | None = None

    @classmethod
    def of(cls, talkwalker_conn_id: str) -> _ExportPoll:
        """Return the poll of a connection in the running event loop."""
        polls = cls._all.setdefault(asyncio.get_running_loop(), {})
        return polls.setdefault(talkwalker_conn_id, cls(talkwalker_conn_id))

    async def any_client(self) -> TalkwalkerClient:
        """Return the client of the last look, or, before the first one, a new one."""
        return self._client or await self._connect()

    async def _connect(self) -> TalkwalkerClient:
        connection = await TalkwalkerHook.aget_connection(self._conn_id)
        self._client = await asyncio.to_thread(client_for, connection)
        return self._client

    async def _exports(self, wanted: frozenset[str]) -> dict[str, ExportTask | TwexportError]:
        client = await self._connect()
        return await asyncio.to_thread(_listed_or_asked, client, wanted)


def _listed_or_asked(
    client: TalkwalkerClient, wanted: frozenset[str]
) -> dict[str, ExportTask | TwexportError]:
    """Return the exports of one list request; what it leaves out is asked for by itself."""
    from airflow_provider_twexport.clients.errors import TwexportError

    found: dict[str, ExportTask | TwexportError] = {task.id: task for task in client.list_exports()}
    for export_id in wanted - found.keys():
        try:
            found[export_id] = client.get_export(export_id)
        except TwexportError as error:
            found[export_id] = error
    return found
