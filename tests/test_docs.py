"""The documentation leads where it says."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "airflow_provider_twexport"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
LINK = re.compile(r"\]\((?!https?:|<)([^)#]*)(?:#([^)]*))?\)")


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_link_leads_somewhere(page: Path) -> None:
    """Files exist, and so do the headings within them."""
    broken = [
        target
        for file, anchor in LINK.findall(page.read_text())
        if not (target := page.parent / file if file else page).exists()
        or (anchor and anchor not in anchors(target))
    ]
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_of_the_pages_compiles_and_imports_what_the_package_has(page: Path) -> None:
    """So a name that was moved is moved in the documentation too."""
    for code in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL):
        for statement in ast.walk(ast.parse(code)):
            # older Airflows lack some of what the pages take from them
            if isinstance(statement, ast.ImportFrom) and str(statement.module).startswith(PACKAGE):
                module = importlib.import_module(str(statement.module))
                assert [it.name for it in statement.names if not hasattr(module, it.name)] == []


def test_the_readme_leads_to_every_page() -> None:
    """No page is left for readers to stumble upon."""
    linked = {Path(file).name for file, _ in LINK.findall((ROOT / "README.md").read_text())}
    assert {page.name for page in PAGES} - linked == {"README.md"}
