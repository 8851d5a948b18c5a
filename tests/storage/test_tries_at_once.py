"""Several tries of one landing at once, step by step in random order; some of them die."""

from __future__ import annotations

import random
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_twexport.core.batch import Batch
from airflow_provider_twexport.exceptions import CorruptLandingError, IncompleteLandingError
from airflow_provider_twexport.storage import manifest
from airflow_provider_twexport.storage.atomic_file import LocalFile
from airflow_provider_twexport.storage.directory import Directory
from airflow_provider_twexport.storage.file_landing import FileLanding, SourceFile
from airflow_provider_twexport.storage.landing import Dedup
from tests.storage.stream import assert_landed_exactly_once, land, landed_records, record
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BATCHES = [Batch([record(2 * at), record(2 * at + 1)], str(at + 1)) for at in range(6)]
STEPS = (
    (Directory, ("write", "read", "sizes", "names", "remove", "abort_uploads")),
    (LocalFile, ("commit",)),
)


class KilledError(BaseException):
    """This try is dead: it does nothing any more, not even clean up."""


class Turns:
    """Lets one thread at a time take one step, in a random order.

    :param seed: of the order.
    :param after: called after each step.
    """

    def __init__(self, seed: int, after: Callable[[], None]) -> None:
        self._chance = random.Random(seed)
        self._after = after
        self._waiting: dict[threading.Thread, threading.Event] = {}
        self._lock = threading.Condition()
        self._dead: set[threading.Thread] = set()
        self._ended: set[threading.Thread] = set()
        self._threads: list[threading.Thread] = []
        self.errors: list[BaseException] = []

    def step(self) -> None:
        """Wait until this thread may take its next step; others than those of :meth:`run` do not wait."""
        thread, turn = threading.current_thread(), threading.Event()
        if thread not in self._threads:
            return
        with self._lock:
            self._waiting[thread] = turn
            self._lock.notify_all()
        assert turn.wait(PATIENCE)
        if thread in self._dead:
            raise KilledError

    def run(self, tries: list[Callable[[], object]], deaths: int) -> None:
        """Run the tries to their end; so many of them die."""
        self._threads = [threading.Thread(target=self._guarded, args=(work,), daemon=True) for work in tries]
        mortal = self._threads[:deaths]
        for thread in self._threads:
            thread.start()
        with self._lock:
            while len(self._ended) < len(self._threads):
                assert self._lock.wait_for(self._all_wait, PATIENCE)
                self._after()
                if not self._waiting:
                    continue
                thread = self._chance.choice(list(self._waiting))
                if thread in mortal and self._chance.random() < 0.03:
                    self._dead.add(thread)
                self._waiting.pop(thread).set()

    def _all_wait(self) -> bool:
        return all(thread in self._waiting or thread in self._ended for thread in self._threads)

    def _guarded(self, work: Callable[[], object]) -> None:
        try:
            work()
        except KilledError:
            pass
        except BaseException as error:
            self.errors.append(error)
        finally:
            with self._lock:
                self._ended.add(threading.current_thread())
                self._lock.notify_all()


def check_what_is_committed(directory: Path) -> None:
    """A complete manifest always has all its parts."""
    path = directory / manifest.MANIFEST
    landed = manifest.Manifest.from_json(path.read_bytes()) if path.exists() else None
    if landed and landed.complete:
        assert all((directory / part.name).stat().st_size == part.bytes for part in landed.parts)


def stepping(turns: Turns, call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that waits for its turn first."""

    def waiting(*args: Any, **kwargs: Any) -> Any:
        turns.step()
        return call(*args, **kwargs)

    return waiting


def assert_only_stale_parts_are_gone(errors: list[BaseException]) -> None:
    """A try may fail because one that has committed removed its open part; nothing else may happen to it."""
    assert [error for error in errors if not isinstance(error, IncompleteLandingError)] == []


def run(turns: Turns, tries: list[Callable[[], object]], deaths: int) -> None:
    """Run tries, each thing that they do to the directory a step."""
    with pytest.MonkeyPatch.context() as patch:
        for kind, names in STEPS:
            for name in names:
                patch.setattr(kind, name, stepping(turns, getattr(kind, name)))
        turns.run(tries, deaths)


@pytest.mark.slow
@pytest.mark.parametrize("deaths", [0, 2])
@pytest.mark.parametrize("repeats", [None, "keep"])
def test_tries_with_other_part_borders_never_mix(repeats: Any, deaths: int, tmp_path: Path) -> None:
    """At any moment a complete manifest has all its parts, and in the end each record is there once."""
    for seed in range(25):
        directory = tmp_path / str(seed)
        directory.mkdir()
        turns = Turns(seed, partial(check_what_is_committed, directory))
        dedup = Dedup(repeats=repeats)
        tries = [
            partial(land, directory, BATCHES, file_format="jsonl", max_part_results=size, dedup=dedup)
            for size in (2, 4, 6)
        ]
        run(turns, tries, deaths)
        assert_only_stale_parts_are_gone(turns.errors)
        land(directory, BATCHES, file_format="jsonl", dedup=dedup)
        assert landed_records(directory) == [line for batch in BATCHES for line in batch.records]
        assert manifest.verify(directory) == []
        if deaths == 0:
            assert manifest.read(directory).complete


def copy_files(directory: Path, files: int) -> manifest.Manifest:
    """Land files of a service."""
    listed = [SourceFile(str(number), "bin", 3) for number in range(files)]
    with FileLanding.open(directory, source={"owner": "job", "export_id": "job"}) as landing:
        if landing.committed:
            return landing.committed
        for file in listed:
            if not landing.has(file):
                landing.copy(file, [b"a%02d" % int(file.key)])
        return landing.commit(listed, {"owner": "job", "export_id": "job"})


@pytest.mark.slow
def test_tries_that_copy_files_never_mix(tmp_path: Path) -> None:
    """As of those that land results, a complete manifest has all its parts at any moment."""
    for seed in range(25):
        directory = tmp_path / str(seed)
        directory.mkdir()
        turns = Turns(seed, partial(check_what_is_committed, directory))
        run(turns, [partial(copy_files, directory, 4)] * 3, 1)
        assert_only_stale_parts_are_gone(turns.errors)
        assert copy_files(directory, 4).complete
        assert manifest.verify(directory) == []


def test_a_try_that_died_within_its_commit_is_finished_by_the_next(tmp_path: Path) -> None:
    """Its manifest is committed as it is, nothing is read again, and nothing else stays."""
    landed = land(tmp_path, BATCHES, file_format="jsonl", max_part_results=4)
    (tmp_path / "_manifest.json").rename(tmp_path / "_try-0123abcd.json")
    assert land(tmp_path, [], file_format="jsonl") == landed
    assert_landed_exactly_once(tmp_path, BATCHES)


def test_a_first_try_has_plain_names_and_a_later_one_its_own(tmp_path: Path) -> None:
    """So nobody writes to the part of another try."""
    first = land(tmp_path / "a", BATCHES, file_format="jsonl", max_part_results=4)
    assert [part.name for part in first.parts] == [f"part-{number:05}.jsonl" for number in range(3)]
    (tmp_path / "b").mkdir()
    (tmp_path / "b/part-00000.jsonl").touch()
    second = land(tmp_path / "b", BATCHES, file_format="jsonl", max_part_results=4)
    assert all(part.name not in {it.name for it in first.parts} for part in second.parts)
    assert_landed_exactly_once(tmp_path / "b", BATCHES)


def test_files_that_were_lost_are_copied_again(tmp_path: Path) -> None:
    """A landing of files that is complete and lost one lands again, whole."""
    lost = copy_files(tmp_path, 4).parts[2].name
    (tmp_path / lost).unlink()
    assert copy_files(tmp_path, 4).complete
    assert manifest.verify(tmp_path) == []


def test_a_landing_that_cannot_be_repeated_says_what_it_lost(tmp_path: Path) -> None:
    """Its other parts stay, and the error names the missing part, and the part that was cut."""
    parts = land(tmp_path, BATCHES, file_format="jsonl", max_part_results=4).parts
    (tmp_path / parts[0].name).unlink()
    (tmp_path / parts[1].name).write_bytes(b"")
    with pytest.raises(
        CorruptLandingError, match=rf"{parts[0].name} is missing, {parts[1].name} has 0 bytes"
    ):
        land(tmp_path, BATCHES, file_format="jsonl")
    assert (tmp_path / parts[2].name).stat().st_size == parts[2].bytes


def test_a_file_that_another_try_cleans_up_is_an_error_of_ours(tmp_path: Path) -> None:
    """The other try has landed everything, so a retry has nothing to do."""
    file = LocalFile(str(tmp_path / "part-00000.jsonl"))
    file.write(b"{}")
    for path in tmp_path.iterdir():
        path.unlink()
    with pytest.raises(IncompleteLandingError, match="A retry finds what has landed"):
        file.commit()
    file.discard()
