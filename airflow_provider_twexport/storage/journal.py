"""Paid batches, each in a file of its own from its arrival until its part is complete."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from airflow_provider_twexport.core.batch import Batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_twexport.storage.directory import Directory


class Journal:
    """The batches since the last checkpoint.

    A file is named after the part that its batch will be in, and records the cursor that the batch was read from: a
    file of an earlier try that does not continue the last checkpoint is ignored.

    :param directory: of the landing.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._part = 0
        self._batches = 0

    def add(self, batch: Batch, cursor: str | None) -> None:
        """Store a batch.

        :param cursor: the cursor from which it was read.
        """
        from isal import igzip

        unreadable = [base64.b64encode(one).decode() for one in batch.unreadable]
        head = {"from": cursor, "cursor": batch.cursor, "foreign": batch.foreign, "unreadable": unreadable}
        lines = [json.dumps(head).encode(), *batch.records]
        self._directory.write(self._name(self._batches), igzip.compress(b"\n".join(lines), 1))
        self._batches += 1

    def replay(self, part: int, cursor: Callable[[], str | None]) -> Iterator[Batch]:
        """Yield the batches that earlier tries stored, in order.

        :param part: how many parts are complete.
        :param cursor: returns the cursor that the next batch must have been read from.
        """
        from isal import igzip

        self._part, self._batches = part, 0
        while (found := self._directory.read(self._name(self._batches))) is not None:
            line, *records = igzip.decompress(found).split(b"\n")  # type: ignore[no-untyped-call]
            head = json.loads(line)
            if head["from"] != cursor():
                return
            self._batches += 1
            unreadable = [base64.b64decode(one) for one in head["unreadable"]]
            yield Batch(records, head["cursor"], head["foreign"], unreadable=unreadable)

    def clear(self, part: int) -> None:
        """Remove all batches, because parts hold them now.

        :param part: how many parts are complete.
        """
        for number in range(self._batches):
            self._directory.remove(self._name(number))
        self._part, self._batches = part, 0

    def _name(self, number: int) -> str:
        return f"_batch-{self._part:05}-{number:05}.gz"
