"""Break the modules where a mistake costs money or rows, at random places, and list what no quick test notices.

``python -m benchmarks.mutants [SEED] [MINUTES]``. Works on a copy; each mutant runs the quick tests of its module only.
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from cosmic_ray import plugins
from cosmic_ray.ast import ast_nodes, get_ast_from_path
from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.testing import run_tests
from cosmic_ray.work_item import MutationSpec, TestOutcome

ROOT = Path(__file__).parents[1]
PACKAGE = "airflow_provider_twexport"
STORAGE = "storage/test_landing.py storage/test_tries_at_once.py storage/test_already_landed.py"
TESTS = {
    "talkwalker/purchasing/*.py": "talkwalker/purchasing",
    "talkwalker/results*.py": "talkwalker/test_results.py talkwalker/test_results_reader.py talkwalker/test_landing.py",
    "storage/landing.py": STORAGE,
    "storage/resume.py": STORAGE,
    "storage/tries.py": STORAGE,
    "core/http.py": "core talkwalker/test_client.py x/search/test_client.py",
    "core/credentials.py": "core hooks",
    "x/search/*.py": "x/search",
    "x/streams/client.py": "x/streams",
    "adobe/landing.py": "adobe/test_landing.py",
}
# Annotations are never evaluated, and most of them contain this operator.
SILENT = "core/ReplaceBinaryOperator_BitOr_"
SECONDS = 120


def places(module: Path) -> list[list[MutationSpec]]:
    """Return the mutations of a module, those of one place together."""
    found: dict[tuple[int, int], list[MutationSpec]] = defaultdict(list)
    nodes = list(ast_nodes(get_ast_from_path(module)))
    for name in sorted(plugins.operator_names()):
        operator = plugins.get_operator(name)
        if operator.arguments() or name.startswith(SILENT):
            continue
        spans = [span for node in nodes for span in operator().mutation_positions(node)]
        for number, (start, end) in enumerate(spans):
            found[start].append(MutationSpec(module, name, number, start, end))
    return list(found.values())


def mutants(copy: Path, chance: random.Random) -> list[tuple[MutationSpec, str]]:
    """Return one mutation of each place with the command of its tests, in random order."""
    drawn = []
    for pattern, tests in TESTS.items():
        paths = " ".join(f"{copy}/tests/{path}" for path in tests.split())
        pytest = f"{sys.executable} -m pytest -qx -p no:cacheprovider -m 'not slow' --rootdir {copy} {paths}"
        for module in sorted((copy / PACKAGE).glob(pattern)):
            drawn += [
                (chance.choice(one), f"env -C {copy} PYTHONPATH={copy} {pytest}") for one in places(module)
            ]
    chance.shuffle(drawn)
    return drawn


def main(seed: int = 1, minutes: int = 15) -> None:
    """Print each survivor, then the score."""
    until, outcomes, sound = time.monotonic() + 60 * minutes, [], set()
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory, "copy")
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "page", "node_modules"))
        for mutation, command in mutants(copy, random.Random(seed)):
            if time.monotonic() >= until:
                break
            if command not in sound and run_tests(command, SECONDS)[0] is not TestOutcome.SURVIVED:
                sys.exit(f"These tests fail without a mutant: {command}")
            sound.add(command)
            result = mutate_and_test([mutation], command, SECONDS)
            outcomes.append(result.test_outcome)
            if result.test_outcome is not TestOutcome.KILLED:
                print(f"{mutation.operator_name}\n{result.diff}", flush=True)
    killed = outcomes.count(TestOutcome.KILLED)
    print(f"seed {seed}: {killed} of {len(outcomes)} mutants were noticed")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
