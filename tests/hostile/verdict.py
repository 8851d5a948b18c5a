"""What must hold after a case: one purchase and each row once, or a clear error and nothing bought."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.storage import manifest
from tests.storage.stream import landed_records

if TYPE_CHECKING:
    from pathlib import Path

    from tests.hostile.play import Played
    from tests.simulator_process import Simulator


class Ending(StrEnum):
    """How a case ended well."""

    LANDED = "landed"
    REFUSED = "refused, nothing bought"
    AMBIGUOUS = "bought once, refused to guess which equal rows are its own"


@dataclass(frozen=True)
class Verdict:
    """The judgement of one case.

    :param problems: what must not be; empty if all is well.
    :param outcome: the error of a run that did not succeed; empty if there is none.
    """

    number: int
    ending: Ending | None
    problems: list[str]
    outcome: str
    tries: int
    kills: int
    purchases: int
    credits: int
    rows: int
    seconds: float


def judge(played: Played, simulator: Simulator) -> Verdict:
    """Compare what landed with what the simulator's own ledger says was bought."""
    exports = [each for each in simulator.ledger()["exports"] if each["target"].startswith("twx-")]
    bought = [each for each in exports if each["charged"]]
    problems = [f"{played.endless} tries did not end"] if played.endless else []
    problems += _leaks(played, simulator.token)
    if len(bought) > 1:
        problems.append(f"bought {len(bought)} times: {[each['charged'] for each in bought]}")
    ending = _ending(played, exports)
    if ending is None:
        problems.append(f"bought and not landed: {[it[:400] for it in played.outcomes if it]}")
    rows = 0
    if ending is Ending.LANDED:
        for place in played.places:
            rows = _compare(played, place, simulator, problems)
        problems += _revisit_problems(played, simulator)
    return Verdict(
        played.case.number,
        ending,
        problems,
        next(filter(None, played.outcomes), ""),
        played.tries,
        played.kills,
        len(bought),
        sum(each["charged"] for each in exports),
        rows,
        time.monotonic() - played.started,
    )


def _ending(played: Played, exports: list[dict[str, Any]]) -> Ending | None:
    if not any(played.outcomes):
        return Ending.LANDED
    if not exports:
        return Ending.REFUSED
    refused = all(not outcome or "IncompleteLandingError" in outcome for outcome in played.outcomes)
    return Ending.AMBIGUOUS if refused and played.case.may_be_ambiguous else None


def _compare(played: Played, place: Path, simulator: Simulator, problems: list[str]) -> int:
    """Note what of the rows at a place is wrong, and return their number."""
    damage = manifest.verify(place)
    if damage:
        problems.append(f"{place.name} is damaged: {damage}")
        return 0
    found = manifest.read(place)
    landed = Counter(hashlib.sha256(record).hexdigest() for record in landed_records(place))
    documents = simulator.documents(str(found.source["export_id"]))
    exported = Counter(document["sha256"] for document in documents)
    expected = exported if found.repeats == "keep" else Counter(set(exported))
    if landed != expected:
        lost, more = expected - landed, landed - expected
        problems.append(f"{place.name}: {lost.total()} rows lost, {more.total()} too many")
    if not found.complete:
        problems.append(f"{place.name} is incomplete: {found.incomplete_because}")
    if found.exported != len(documents):
        problems.append(f"{place.name} says {found.exported} of {len(documents)} exported")
    return landed.total()


def _revisit_problems(played: Played, simulator: Simulator) -> list[str]:
    if played.revisited is None:
        return []
    problems = []
    if played.revisited:
        problems.append(f"the next run failed: {played.revisited[:400]}")
    if simulator.ledger()["credits"]["charged_total"] != played.before_revisit:
        problems.append("the next run bought again")
    return problems


def _leaks(played: Played, token: str) -> list[str]:
    return [
        f"the token is in {path.relative_to(played.folder)}"
        for path in played.folder.rglob("*")
        if path.is_file() and token.encode() in path.read_bytes()
    ]
