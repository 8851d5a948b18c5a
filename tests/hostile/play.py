"""Plays a case: starts its runs, kills them, and tries again until each has succeeded or has no more tries."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.hostile.cases import LATER
from tests.hostile.pipeline import Pipeline

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.process import BaseProcess
    from pathlib import Path

    from tests.hostile.cases import Case, Kill
    from tests.simulator_process import Simulator

ALWAYS = {"reads_per_minute": None, "keepalive_seconds": 0.1, "results_per_day": 200}
LAST_TRIES = 2
# how long one try may take at most: five times what the slowest takes on a quiet machine
TRY_SECONDS = 120.0
POLL_SECONDS = 0.1
HELD = 3_600


@dataclass
class Played:
    """What happened.

    :param folder: of the logs and landings.
    :param outcomes: of each run, what became of its last try; empty if it succeeded.
    :param revisited: what became of the run after all that; ``None`` if there was none.
    :param before_revisit: what had been charged until then.
    :param endless: how many tries did not end.
    """

    case: Case
    folder: Path
    pipelines: list[Pipeline] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)
    revisited: str | None = None
    before_revisit: int = 0
    tries: int = 0
    kills: int = 0
    endless: int = 0
    started: float = field(default_factory=time.monotonic)

    @property
    def places(self) -> list[Path]:
        """Return where something may have landed."""
        return sorted({pipeline.place for pipeline in self.pipelines})


def play(case: Case, simulator: Simulator, folder: Path) -> Played:
    """Play a case to its end."""
    simulator.reset()
    simulator.settings(**ALWAYS, **case.settings)
    simulator.faults(*case.faults)
    played = Played(case, folder)
    for number in range(case.runs):
        played.pipelines.append(_pipeline(case, simulator, folder, number))
    _together([_runs(played, number) for number in range(case.runs)])
    simulator.control("faults", method="DELETE")
    for number in range(case.runs):
        _last_tries(played, number, simulator)
    if case.younger and not any(played.outcomes):
        _revisit(played, simulator)
    return played


def _pipeline(case: Case, simulator: Simulator, folder: Path, number: int) -> Pipeline:
    own = folder / f"run-{number}"
    own.mkdir(parents=True)
    place = folder / ("lake" if case.one_place else f"lake-{number}")
    whole_seconds = bool(case.settings.get("whole_second_dates"))
    return Pipeline(simulator, own, place, case.order, case.budget, case.landing, whole_seconds, "first")


def _together(runs: list[Iterator[None]]) -> None:
    """Let all go on in turn until the last has ended."""
    while runs:
        runs = [run for run in runs if next(run, run) is None]
        time.sleep(POLL_SECONDS)


def _runs(played: Played, number: int) -> Iterator[None]:
    """Play the tries of one run; yield while there is something to wait for."""
    case = played.case
    plan = zip(case.kills[number], case.pauses[number], case.from_start[number], strict=True)
    for at, (kill, pause, from_start) in enumerate(plan):
        yield from _try(played, number, kill)
        if played.pipelines[number].outcome == "":
            return
        if pause == LATER:
            played.pipelines[number].simulator.advance(pause)
        else:
            yield from _wait(pause)
        if from_start:
            _begin_anew(played, number, f"next-{at}")


def _last_tries(played: Played, number: int, simulator: Simulator) -> None:
    """Let a run succeed, as a person would who clears it later: nothing is killed, and no fault is left."""
    for at in range(LAST_TRIES):
        if played.pipelines[number].outcome == "":
            break
        simulator.advance(LATER)
        _begin_anew(played, number, f"last-{at}")
        _together([_try(played, number, None)])
    outcome = played.pipelines[number].outcome
    played.outcomes.append("killed" if outcome is None else outcome)


def _revisit(played: Played, simulator: Simulator) -> None:
    """Order younger exports, and run the pipeline once more."""
    body = {"target": "another", "start": 1_704_067_200_000, "stop": 1_704_153_600_000, "limit": 1}
    simulator.control("exports", body | {"count": played.case.younger})
    if played.case.deletes:
        played.pipelines[0].delete_collector()
    simulator.advance(LATER)
    played.before_revisit = simulator.ledger()["credits"]["charged_total"]
    _begin_anew(played, 0, "again")
    _together([_try(played, 0, None)])
    played.revisited = played.pipelines[0].outcome


def _begin_anew(played: Played, number: int, run_id: str) -> None:
    pipeline = played.pipelines[number]
    played.pipelines[number] = Pipeline(**{**vars(pipeline), "run_id": run_id})


def _wait(seconds: float) -> Iterator[None]:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        yield


def _try(played: Played, number: int, kill: Kill | None) -> Iterator[None]:
    """Play one try; yield while it runs."""
    pipeline = played.pipelines[number]
    pipeline.forget_outcome()
    if kill and kill.seconds is None:
        _hold(pipeline.simulator, kill)
    process, started = pipeline.start(), time.monotonic()
    played.tries += 1
    while process.is_alive():
        yield
        seconds = time.monotonic() - started
        if kill and _is_due(kill, seconds, pipeline.simulator):
            _kill(process)
            played.kills += 1
        elif seconds > TRY_SECONDS:
            _kill(process)
            played.endless += 1
    process.join()
    if kill and kill.seconds is None:
        _release(pipeline.simulator)


def _hold(simulator: Simulator, kill: Kill) -> None:
    """Let a request hang, so that the try can be killed before or after what it asks for was done."""
    fault = "delay" if kill.before else "late_answer"
    simulator.faults(
        {"match": {"path": "/api/"}, "fault": fault, "skip": kill.request, "seconds": HELD, "kill": True}
    )


def _is_held(simulator: Simulator) -> bool:
    return not any(fault.get("kill") for fault in simulator.control("faults")["faults"])


def _release(simulator: Simulator) -> None:
    """Remove the fault that lets a request hang, if it has not happened."""
    waiting = simulator.control("faults")["faults"]
    if any(fault.get("kill") for fault in waiting):
        simulator.control("faults", method="DELETE")
        simulator.faults(*(fault for fault in waiting if not fault.get("kill")))


def _is_due(kill: Kill, seconds: float, simulator: Simulator) -> bool:
    return _is_held(simulator) if kill.seconds is None else seconds >= kill.seconds


def _kill(process: BaseProcess) -> None:
    process.kill()
    process.join()
