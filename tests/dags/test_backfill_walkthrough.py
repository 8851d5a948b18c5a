"""The walkthrough of docs/backfill.md: its commands run, and print what the page shows."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.running_dags import dags_in
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.running_dags import DagRunner
    from tests.simulator_process import Simulator

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "backfill.md").read_text()
# what the page names
SERVICE, PLACE = "http://localhost:8089", "/tmp/twexport"  # noqa: S108
SHELL = """
export PATH={bin}:$PATH
twexport() {{ {python} -c 'import sys; from airflow_provider_twexport.cli import main; sys.exit(main())' "$@"; }}
"""

pytestmark = pytest.mark.usefixtures("talkwalker_connection", "quick_timing")


def blocks() -> Iterator[tuple[str, str]]:
    """Yield each command of the walkthrough, and what the page shows of its output."""
    section = PAGE.partition("## Step by step on the simulator")[2].partition("\n## ")[0]
    for block in re.findall(r"```console\n(.*?)```", section, re.DOTALL):
        for command in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = command.splitlines(keepends=True)
            last = next(at for at, line in enumerate(lines) if not line.endswith("\\\n"))
            yield "".join(lines[: last + 1]), "".join(lines[last + 1 :])


def shown(output: str, page: str) -> bool:
    """Return whether an output has all that the page shows, in order, whatever stands in place of ``...``."""
    found = " ".join(output.split())
    for part in (" ".join(it.split()) for it in page.split("...")):
        if part not in found:
            return False
        found = found[found.index(part) + len(part) :]
    return True


def test_each_command_prints_what_the_page_shows(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the first plan through overlap, truncation, salvage and expiry; the prices are those of the ledger."""
    monkeypatch.setenv("TWEXPORT_DESTINATION", f"file://{tmp_path}/twexport")
    monkeypatch.setenv("TWEXPORT_POKE_SECONDS", "0.3")

    def here(text: str) -> str:
        return text.replace(SERVICE, simulator.url).replace(PLACE, f"{tmp_path}/twexport")

    def triggered(command: str) -> str:
        conf: dict[str, Any] = json.loads(shlex.split(command)[-1])
        run = run_dag(dags_in(ROOT / "dags").dags["talkwalker_backfill"], run_conf=conf)
        return run.log

    before, differing = [SHELL.format(bin=Path(sys.executable).parent, python=sys.executable)], []
    commands = list(blocks())
    assert len(commands) > 15
    for command, page in commands:
        if command.startswith("airflow dags trigger"):
            output = triggered(here(command))
        elif command.startswith("export "):
            before.append(here(command))
            continue
        else:
            script = "".join([*before, here(command)])
            ran = subprocess.run(
                ["/bin/bash", "-c", script],
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                cwd=ROOT,
                env=os.environ,
            )
            output = ran.stdout + ran.stderr
        if not shown(output, here(page)):
            differing.append((command, output))
    assert differing == []
