"""Waiting for exports from the triggerer: one list request per connection and interval, however many wait."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, Self, TypeVar
from weakref import WeakKeyDictionary

from airflow.sdk import BaseHook
from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_twexport.triggers.shared_poll import SharedPoll

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from airflow.sdk import Connection

    from airflow_provider_twexport.exceptions import TwexportError


class Waitable(Protocol):
    """An export as a service reports it."""

    @property
    def raw_status(self) -> str:
        """The service's own text for the status."""

    @property
    def is_unfinished(self) -> bool:
        """Whether to continue to wait."""

    def check_status(self) -> None:
        """Raise if nobody knows what the status means."""

    def to_json(self) -> dict[str, Any]:
        """Return the service's form."""


Export = TypeVar("Export", bound=Waitable)
Client = TypeVar("Client")


class ExportTrigger(BaseTrigger, Generic[Client, Export]):
    """Wait until an export has ended, with one list request per connection and interval for all triggers.

    Fires one event: ``{"outcome": "ended", "export": ...}``, ``{"outcome": "timeout"}``, or
    ``{"outcome": "failed", "error": ...}`` with all that it takes to raise the error in the sensor.

    :param poke_interval: seconds between two polls.
    :param deadline: seconds since the epoch after which the wait times out.
    :param cancel_on_kill: cancel the export if somebody fails, clears or marks the deferred task (Airflow 3.3 on).
    """

    noun: ClassVar[str]
    own_fields: ClassVar[tuple[str, str]]

    def __init__(self, poke_interval: float, deadline: float, cancel_on_kill: bool = True) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.poke_interval = poke_interval
        self.deadline = deadline
        self.cancel_on_kill = cancel_on_kill

    @abstractmethod
    def poll(self) -> ConnectionPoll[Client, Export]:
        """Return the poll of the connection in the running event loop."""

    @abstractmethod
    def cancel(self, client: Client) -> str:
        """Cancel the export and return what that means."""

    @property
    def export_key(self) -> str:
        """The export's id."""
        return str(getattr(self, self.own_fields[0]))

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what another triggerer needs to continue."""
        fields = (*self.own_fields, "poke_interval", "deadline", "cancel_on_kill")
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            name: getattr(self, name) for name in fields
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield the one event."""
        from airflow_provider_twexport.exceptions import TwexportError

        event: dict[str, Any]
        try:
            async with asyncio.timeout(max(0.0, self.deadline - time.time())):
                export = await self._ended()
        except TimeoutError:
            event = {"outcome": "timeout"}
        except TwexportError as error:
            event = {"outcome": "failed", "error": error.to_json()}
        else:
            event = {"outcome": "ended", "export": export.to_json()}
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def _ended(self) -> Export:
        poll = self.poll()
        last_status = None
        while True:
            answer = await poll.next_answer(self.export_key, self.poke_interval)
            if isinstance(answer, Exception):
                raise answer
            answer.check_status()
            if answer.raw_status != last_status:
                self.log.info("%s %s is %s.", self.noun, self.export_key, answer.raw_status)
                last_status = answer.raw_status
            if not answer.is_unfinished:
                return answer

    async def on_kill(self) -> None:
        """Cancel the export; Airflow calls this when a user acts on the deferred task, not on a restart."""
        if self.cancel_on_kill:
            client = await self.poll().any_client()
            self.log.info("%s", await asyncio.to_thread(self.cancel, client))


class ConnectionPoll(SharedPoll["Export | TwexportError"], Generic[Client, Export]):
    """One list request, at most, for all exports that are waited for on a connection, however many there are."""

    _all: ClassVar[
        WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[type, str], ConnectionPoll[Any, Any]]]
    ] = WeakKeyDictionary()

    def __init__(self, conn_id: str) -> None:
        super().__init__(self._answers)
        self._conn_id = conn_id
        self._client: Client | None = None

    @classmethod
    def of(cls, conn_id: str) -> Self:
        """Return the poll of a connection in the running event loop."""
        polls = cls._all.setdefault(asyncio.get_running_loop(), {})
        poll = polls.setdefault((cls, conn_id), cls(conn_id))
        assert isinstance(poll, cls)  # noqa: S101
        return poll

    @abstractmethod
    def client(self, connection: Connection) -> Client:
        """Return a new client, or the one of the last poll."""

    @abstractmethod
    def list_exports(self, client: Client, wanted: frozenset[str]) -> dict[str, Export]:
        """Return the exports in the service's list, by id; it may lack some that are wanted."""

    @abstractmethod
    def get_export(self, client: Client, export_id: str) -> Export:
        """Return one export."""

    async def any_client(self) -> Client:
        """Return the client of the last poll; before the first one, a new client."""
        return self._client or await self._connect()

    async def _connect(self) -> Client:
        # read again for each poll, so that a new credential is used
        connection = await BaseHook.aget_connection(self._conn_id)
        self._client = await asyncio.to_thread(self.client, connection)
        return self._client

    async def _answers(self, wanted: frozenset[str]) -> dict[str, Export | TwexportError]:
        client = await self._connect()
        return await asyncio.to_thread(self._find, client, wanted)

    def _find(self, client: Client, wanted: frozenset[str]) -> dict[str, Export | TwexportError]:
        from airflow_provider_twexport.exceptions import TwexportError

        found: dict[str, Export | TwexportError] = {**self.list_exports(client, wanted)}
        for export_id in wanted - found.keys():
            try:
                found[export_id] = self.get_export(client, export_id)
            except TwexportError as error:
                found[export_id] = error
        return found
