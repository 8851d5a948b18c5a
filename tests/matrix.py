"""Each Airflow that is promised, on each Python of this machine: whether it is left alone, and what works there.

``python -m tests.matrix`` makes an environment for each pair, with the packages of the days in which that Airflow was
released. It installs the wheel with pip, compares what was there before, and runs quick and live tests of the wheel.
The results go into ``docs/compatibility.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs" / "compatibility.md"
PACKAGE = "airflow_provider_twexport"

# the first and the last release of each minor, and the day of which its packages are
AIRFLOWS = {
    "3.1.0": "2025-09-28",
    "3.1.8": "2026-03-13",
    "3.2.0": "2026-04-09",
    "3.2.2": "2026-05-31",
    "3.3.0": "2026-07-08",
    "3.3.2": "2026-09-19",
}
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
# what was released later changes nothing
TOOLS_AS_OF = "2026-11-28"
# where the tests are that are marked matrix; the others need not be importable then
SMOKE = ("tests/test_provider.py", "tests/live/test_each_airflow.py")
UV = (sys.executable, "-m", "uv")
HEAD = "| Airflow | Python | Airflow's packages | quick tests | live tests | tested on |"
RULE = "|---|---|---|---|---|---|"


class CellError(Exception):
    """An environment could not be made."""


@dataclass
class Cell:
    """One Airflow on one Python, and what was found out.

    :param airflow: its version.
    :param python: its minor version.
    """

    airflow: str
    python: str
    packages: str = "not run"
    quick: str = "not run"
    live: str = "not run"
    on: str = ""
    failures: list[str] = field(default_factory=list)

    @property
    def row(self) -> str:
        """The row of the table."""
        return (
            f"| {self.airflow} | {self.python} | {self.packages} | {self.quick} | {self.live} | {self.on} |"
        )


@dataclass(frozen=True)
class Environment:
    """A virtual environment in a temporary folder."""

    folder: Path

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(self.folder / "venv" / "bin" / "python")

    def make(self, cell: Cell, interpreter: str) -> None:
        """Install an Airflow with the packages of its time."""
        as_of = ("--exclude-newer", AIRFLOWS[cell.airflow])
        run(*UV, "venv", "--quiet", "--seed", *as_of, "--python", interpreter, self.folder / "venv")
        self._install(*as_of, f"apache-airflow=={cell.airflow}")

    def install_wheel(self, wheel: Path, before: dict[str, str]) -> None:
        """Install the wheel as a user does; pip may change whatever it thinks it must."""
        lines = (ROOT / "requirements" / "constraints.txt").read_text().splitlines()
        new = [line for line in lines if line.partition("==")[0] not in before]
        pins = self.folder / "new.txt"
        pins.write_text("\n".join(new))
        run(self.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c", pins, wheel)

    def install_tests(self, wheel: Path, before: dict[str, str]) -> None:
        """Install all extras that tests need, without a change to Airflow: their lower bounds must allow that."""
        pins = self.folder / "airflow.txt"
        pins.write_text("\n".join(f"{name}=={version}" for name, version in before.items()))
        self._install("--exclude-newer", TOOLS_AS_OF, "--constraint", str(pins), f"{wheel}[test]")
        # clients of Adobe and X; what they say they need is not needed
        self._install("--no-deps", "aepp==0.6.0", "gapi==1.2.0")

    def installed(self) -> dict[str, str]:
        """Return the version of each package."""
        listed = json.loads(run(self.python, "-m", "pip", "list", "--format", "json", "--no-index"))
        return {each["name"].lower().replace("_", "-"): each["version"] for each in listed}

    def _install(self, *what: str) -> None:
        run(*UV, "pip", "install", "--quiet", "--compile-bytecode", "--python", self.python, *what)


def run(*command: str | Path) -> str:
    """Run a command and return its output.

    :raises CellError: it failed.
    """
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode:
        raise CellError(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def interpreter_of(python: str) -> str | None:
    """Return the path of a Python of this minor version, or None if this machine has none."""
    if python == "{}.{}".format(*sys.version_info):
        return sys.executable
    managed = sorted(Path.home().glob(f".pyenv/versions/{python}.*/bin/python{python}"))
    for found in (shutil.which(f"python{python}"), *map(str, managed)):
        if found and subprocess.run([found, "--version"], capture_output=True, check=False).returncode == 0:
            return found
    return None


def changes(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Return the packages that are not what they were."""
    return [
        f"{name} {version} → {after.get(name, 'gone')}"
        for name, version in before.items()
        if after.get(name) != version
    ]


def copy_of_tests(folder: Path, environment: Environment) -> Path:
    """Return a copy of the repository in which the package is what the wheel has installed."""
    tree = folder / "tree"
    (installed,) = (environment.folder / "venv" / "lib").glob(f"python*/site-packages/{PACKAGE}")
    shutil.copytree(installed, tree / PACKAGE)
    for name in run("git", "ls-files").splitlines():
        if not name.startswith(f"{PACKAGE}/") or name.startswith(f"{PACKAGE}/plugin/page/"):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name, follow_symlinks=False)
    if (ROOT / ".tools").exists():
        (tree / ".tools").symlink_to(ROOT / ".tools")
    return tree


def tested(environment: Environment, tree: Path, cell: Cell, *options: str) -> str:
    """Run tests and return how many passed, failed and were skipped."""
    report = tree / "report.xml"
    report.unlink(missing_ok=True)
    command = (environment.python, "-m", "pytest", "-q", f"--junitxml={report}", *options)
    subprocess.run(command, cwd=tree, env=os.environ | {"PYTHONPATH": ""}, check=False)
    if not report.exists():
        cell.failures.append("pytest did not end")
        return "did not end"
    suite = ElementTree.parse(report).getroot()[0]  # noqa: S314 - our own pytest wrote it
    for case in suite.iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            cell.failures.append(f"{case.get('classname')}::{case.get('name')}")
    count = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
    failed = count["failures"] + count["errors"]
    numbers = {
        "passed": count["tests"] - failed - count["skipped"],
        "failed": failed,
        "skipped": count["skipped"],
    }
    return ", ".join(f"{number:,} {name}" for name, number in numbers.items() if number)


def examine(cell: Cell, interpreter: str, wheel: Path, *, smoke: bool) -> None:
    """Find out all about one pair."""
    with tempfile.TemporaryDirectory(prefix="twexport-matrix-", ignore_cleanup_errors=True) as folder:
        environment = Environment(Path(folder))
        # PostgreSQL of the live tests runs as another user
        environment.folder.chmod(0o755)
        environment.make(cell, interpreter)
        before = environment.installed()
        environment.install_wheel(wheel, before)
        changed = changes(before, environment.installed())
        cell.packages = "; ".join(changed) or f"{len(before)} unchanged"
        cell.failures += changed
        if changed:
            return
        environment.install_tests(wheel, before)
        tree = copy_of_tests(environment.folder, environment)
        if not smoke:
            quick = ("-m", "not slow", "--ignore", "tests/live", "--numprocesses", "2")
            cell.quick = tested(environment, tree, cell, *quick)
        cell.live = tested(environment, tree, cell, "-m", "matrix", *SMOKE)


def write(cells: list[Cell]) -> None:
    """Put the rows into the table, in the place of earlier ones of the same pairs that were examined."""
    text, _, table = DOCS.read_text().partition(HEAD)
    old = {tuple(line.split(" | ")[:2]): line for line in table.splitlines() if line.startswith("| 3")}
    new = {tuple(cell.row.split(" | ")[:2]): cell.row for cell in cells}
    examined = {pair: cell.row for pair, cell in zip(new, cells, strict=True) if cell.on}
    rows = [row for _, row in sorted((new | old | examined).items())]
    DOCS.write_text("\n".join([text + HEAD, RULE, *rows, ""]))


def main() -> int:
    """Examine the pairs that were named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    every = [f"{airflow}-{python}" for airflow in AIRFLOWS for python in PYTHONS]
    parser.add_argument("cells", nargs="*", metavar="CELL", help=f"one of {', '.join(every)}; all by default")
    parser.add_argument("--smoke", action="store_true", help="only the tests marked matrix; write no table")
    options = parser.parse_args()
    cells = [Cell(*cell.split("-")) for cell in options.cells or every]
    with tempfile.TemporaryDirectory() as folder:
        run(*UV, "build", "--quiet", "--wheel", "--out-dir", folder)
        (wheel,) = Path(folder).glob("*.whl")
        for cell in cells:
            interpreter = interpreter_of(cell.python)
            if not interpreter:
                cell.packages = "not run: no such Python here"
                cell.failures += [cell.packages] if options.cells else []
            else:
                cell.on = f"{datetime.now(UTC):%Y-%m-%d}"
                try:
                    examine(cell, interpreter, wheel, smoke=options.smoke)
                except CellError as error:
                    print(error, file=sys.stderr)
                    cell.packages = "not installable"
                    cell.failures.append(str(error))
            print(cell.row, *cell.failures, sep="\n  ", flush=True)
            if not options.smoke:
                write([cell])
    return int(any(cell.failures for cell in cells))


if __name__ == "__main__":
    sys.exit(main())
