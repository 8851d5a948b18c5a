"""The vendor's own example notebook runs against the simulator."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.simulator_process import ROOT

if TYPE_CHECKING:
    from tests.simulator.conftest import Api

NOTEBOOK = ROOT.parent / "shared" / "sources" / "talkwalker_export_notebook.txt"


def cells(text: str) -> list[str]:
    """Return the `In [n]:` cells: each ends where the text is no longer Python."""
    return [_longest_python(part) for part in re.split(r"^In \[\d+\]:\n", text, flags=re.M)[1:]]


def _longest_python(part: str) -> str:
    rows = part.splitlines()
    for end in range(len(rows), 0, -1):
        # Outputs and headings follow a blank line; a heading alone is a comment, which does no harm.
        if end < len(rows) and rows[end]:
            continue
        source = "\n".join(rows[:end])
        try:
            compile(source, "cell", "exec")
        except SyntaxError:
            continue
        return source
    raise AssertionError(f"no code in {part!r}")


def with_values(cell: str, **values: str) -> str:
    """Replace assigned values."""
    for name, value in values.items():
        cell = re.sub(rf"^{name} = .*$", f"{name} = {value!r}", cell, flags=re.M)
    return cell


@pytest.mark.skipif(not NOTEBOOK.exists(), reason=f"the vendor's notebook is not here: {NOTEBOOK.name}")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_notebook(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    """Each cell runs and prints what the vendor's run printed, with the simulator's numbers."""
    simulator = api.simulator
    values = {
        "BASE_URL": simulator.url,
        "ACCESS_TOKEN": simulator.token,
        "PROJECT_ID": simulator.project_id,
        "TOPIC_ID": simulator.topic_id,
    }
    names: dict[str, object] = {}
    for cell in cells(NOTEBOOK.read_text()):
        exec(compile(with_values(cell, **values), "cell", "exec"), names)  # noqa: S102
    printed = capsys.readouterr().out
    assert "Export task creada. task_id: " in printed
    assert "Estado: result_limit_reached | Procesados: 6000 | Progress: 0." in printed
    assert "--- Resultado 5 ---" in printed
    assert f"({simulator.topic_id})" in printed
    assert re.search(r"^[0-9a-f-]{36} result_limit_reached workshop-export-collector-1$", printed, re.M)
