"""What happens in a case: a function of the seed and the number of the case."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from airflow_provider_twexport.simulator.talkwalker.settings import TalkwalkerSettings
from tests.simulator_process import Simulator

# what hostile switches are set to where the hostile value of `--hostile` is too slow, or not the only one
VALUES: dict[str, tuple[Any, ...]] = {
    "heartbeat": ("control", "moving_control", "circling_control", "none"),
    "results_per_wait": (50, 130, 300),
    "bytes_per_second": (800_000,),
    "list_delay_seconds": (0.5, 1.5),
    "list_keeps": (1, 2),
    "collector_list_delay_seconds": (0.2, 0.5),
    "answer_seconds": (0.03, 0.08),
    "repeated_rows": (0.3, 0.6),
    "resume_overlap": (5, 30),
    "clock_skew_seconds": (600.0, -600.0),
    "lost_answers": (0.5, 1.0),
}
# switches that are documented, but not the numbers
SHAPES: dict[str, tuple[Any, ...]] = {
    "control_every": (7, 100, 100),
    "blocks_per_stop": (1, 4, None),
    "queue_seconds": (0, 0.5),
    "results_per_second": (None, 800),
    "processed_step": (1, 1000),
}
ORDER, RESULTS = {"method": "POST", "path": "/export$"}, {"path": "/results$"}
TASKS, COLLECTORS, ANY = {"path": "/tasks/export"}, {"path": "/stream/(c/|info)"}, {"path": "/api/"}
FAULTS: tuple[dict[str, Any], ...] = (
    {"match": ORDER, "fault": "lost_answer"},
    {"match": ORDER, "fault": "drop"},
    {"match": ORDER, "fault": "html"},
    {"match": ORDER, "fault": "error", "code": 8},
    {"match": ORDER, "fault": "late_answer", "seconds": 0.5},
    {"match": ORDER, "fault": "garbage"},
    {"match": TASKS, "fault": "html"},
    {"match": TASKS, "fault": "drop"},
    {"match": TASKS, "fault": "error", "code": 1},
    {"match": TASKS, "fault": "missing_from_list", "times": 3},
    {"match": COLLECTORS, "fault": "lost_answer", "times": 2},
    {"match": COLLECTORS, "fault": "error", "code": 8},
    {"match": ANY, "fault": "drop", "times": 2},
    {"match": ANY, "fault": "html", "times": 2},
    {"match": RESULTS, "fault": "cut", "after_results": 60, "mid_line": True},
    {"match": RESULTS, "fault": "cut", "after_results": 130},
    {"match": RESULTS, "fault": "ct_error", "after_results": 90},
    {"match": RESULTS, "fault": "wait_ends_early", "after_results": 110},
    {"match": RESULTS, "fault": "no_final_control"},
    {"match": RESULTS, "fault": "unknown_chunk", "after_results": 10},
    {"match": RESULTS, "fault": "garbage_line", "after_results": 70},
    {"match": RESULTS, "fault": "wrong_echo"},
    {"match": RESULTS, "fault": "foreign", "every": 9},
    {"match": RESULTS, "fault": "error", "code": 8},
    {"match": RESULTS | {"query": "end_behaviour=wait"}, "fault": "drop", "times": 20},
)
PAUSES = (0.0, 0.3, 1.0)
LATER = 60.0


@dataclass(frozen=True)
class Kill:
    """When a try is killed with -9.

    :param seconds: after its start; ``None`` if ``request`` says when.
    :param request: when it has sent so many requests.
    :param before: before the service does what this request asks for, or after that and before the answer.
    """

    seconds: float | None = None
    request: int = 0
    before: bool = False


@dataclass(frozen=True)
class Case:
    """What happens to one export.

    :param settings: of the simulator.
    :param faults: on the wire.
    :param order: the arguments of the operators that say what to export.
    :param budget: whether a budget must hold, so that orders lock the account.
    :param landing: the arguments of the transfer.
    :param runs: how many DAG runs order the same at the same moment.
    :param one_place: whether all of them land at the same place.
    :param kills: of each run, the kill of each try; ``None`` lets it live.
    :param pauses: of each run, the seconds before each next try; the simulator's clock skips the longest.
    :param from_start: of each run, whether each next try is another run of the DAG, or a retry of the task.
    :param younger: exports that are ordered after all that, before the pipeline runs once more.
    :param deletes: whether the collector is deleted before that.
    """

    seed: int
    number: int
    settings: dict[str, Any]
    faults: list[dict[str, Any]]
    order: dict[str, Any]
    budget: bool
    landing: dict[str, Any]
    runs: int
    one_place: bool
    kills: tuple[tuple[Kill | None, ...], ...]
    pauses: tuple[tuple[float, ...], ...]
    from_start: tuple[tuple[bool, ...], ...]
    younger: int
    deletes: bool

    @property
    def may_be_ambiguous(self) -> bool:
        """Whether equal rows of the export and rows that the service repeats look the same, as each read breaks off."""
        causes = ("repeated_rows", "resume_overlap", "results_per_wait")
        return all(map(self.settings.get, causes))


def case_of(seed: int, number: int) -> Case:
    """Return the case; the same for the same seed and number."""
    rng = random.Random(f"{seed}/{number}")
    runs = rng.choice((1, 1, 1, 1, 2, 3))
    # time that the simulator skips would expire the lock of another run
    pauses = (*PAUSES, LATER, LATER) if runs == 1 else PAUSES
    tries = [rng.choice((1, 2, 2, 3, 4)) for _ in range(runs)]
    faults = rng.sample(FAULTS, rng.choice((0, 0, 1, 2, 4)))
    return Case(
        seed,
        number,
        settings=_settings(rng),
        faults=[{**fault, "skip": rng.choice((0, 0, 1, 3))} for fault in faults],
        order=_order(rng),
        budget=rng.random() < 0.3,
        landing={
            "file_format": rng.choice(("jsonl", "jsonl.gz", "jsonl.zst", "parquet")),
            "max_part_results": rng.choice((50, 200, None)),
            "repeats": rng.choice(("keep", "keep", "drop")),
        },
        runs=runs,
        one_place=rng.random() < 0.7,
        kills=tuple(tuple(_kill(rng, runs) for _ in range(count)) for count in tries),
        pauses=tuple(tuple(rng.choice(pauses) for _ in range(count)) for count in tries),
        from_start=tuple(tuple(rng.random() < 0.5 for _ in range(count)) for count in tries),
        younger=rng.choice((0, 0, 1, 4)),
        deletes=rng.random() < 0.5,
    )


def _settings(rng: random.Random) -> dict[str, Any]:
    """Return some of the hostile switches, also those that somebody adds one day."""
    share = rng.choice((0.15, 0.3, 0.6))
    hostile = {
        name: rng.choice(VALUES.get(name, (value,)))
        for name, value in TalkwalkerSettings.hostile().items()
        if rng.random() < share
    }
    if hostile.keys() >= {"repeated_rows", "results_per_wait"} and rng.random() < 0.8:
        # with all three it is ambiguous, which takes long and always ends alike
        hostile.pop("resume_overlap", None)
    return {name: rng.choice(values) for name, values in SHAPES.items()} | hostile


def _order(rng: random.Random) -> dict[str, Any]:
    scope = rng.choice(
        (
            {"project_id": Simulator.project_id},
            {"project_id": Simulator.project_id, "topics": [Simulator.topic_id]},
            {"project_id": Simulator.project_id, "query": "bank"},
            {"project_id": "", "stream_id": Simulator.stream_id},
            {"project_id": "", "query": "bank"},
        )
    )
    days = rng.choice((1, 2, 5))
    window = {"start": "2024-03-01", "stop": f"2024-03-{1 + days:02}"}
    return {**scope, **window, "limit": rng.choice((150, 400, 1_000_000))}


def _kill(rng: random.Random, runs: int) -> Kill | None:
    if rng.random() < 0.35:
        return None
    if runs > 1 or rng.random() < 0.25:
        # which of several runs sends a request is not known
        return Kill(seconds=rng.uniform(0.05, 2.5))
    return Kill(request=rng.randrange(20), before=rng.random() < 0.5)
