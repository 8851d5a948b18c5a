"""Batches that were paid for, each in a file of its own from the moment it came until its part is whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from airflow_provider_twexport.core.batch import Batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_twexport.storage.directory import Directory


class Journal:
    """The batches since the last checkpoint.

    A file is named by the part that its batch will be in, and says from which cursor the batch was read: what a dead
    try left that does not follow on the last checkpoint is not taken for what comes next.

    :param directory: of the landing.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._part = 0
        self._held = 0

    def keep(self, batch: Batch, offset: str | None) -> None:
        """Store a batch.

        :param offset: the cursor from which it was read.
        """
        from isal import igzip

        head = {"from": offset, "cursor": batch.cursor, "foreign": batch.foreign}
        lines = [json.dumps(head).encode(), *batch.records]
        self._directory.write(self._name(self._held), igzip.compress(b"\n".join(lines), 1))
        self._held += 1

    def kept(self, part: int, offset: Callable[[], str | None]) -> Iterator[Batch]:
        """Yield the batches that earlier tries kept, in order.

        :param part: how many parts are whole.
        :param offset: tells the cursor that the next batch has to follow on.
        """
        from isal import igzip

        self._part, self._held = part, 0
        while (found := self._directory.read(self._name(self._held))) is not None:
            head, *records = igzip.decompress(found).split(b"\n")  # type: ignore[no-untyped-call]
            told = json.loads(head)
            if told["from"] != offset():
                return
            self._held += 1
            yield Batch(records, told["cursor"], told["foreign"])

    def forget(self, part: int) -> None:
        """Remove all batches: they are in parts.

        :param part: how many parts are whole.
        """
        for number in range(self._held):
            self._directory.remove(self._name(number))
        self._part, self._held = part, 0

    def _name(self, number: int) -> str:
        return f"_batch-{self._part:05}-{number:05}.gz"
