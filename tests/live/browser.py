"""A browser for tests: the machine's own, or the one that `make chromium` has brought."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

BROUGHT = Path(__file__).parents[2] / ".tools" / "chromium"
NAMES = ("chromium", "google-chrome")


@contextmanager
def browser() -> Iterator[Browser]:
    """Run a browser without a window."""
    own = next(filter(None, map(shutil.which, NAMES)), None)
    if not own and not (BROUGHT / "chromium").exists():
        pytest.skip("A browser, chromium or google-chrome, is not installed: `make chromium` brings one.")
    libraries = {} if own else {"LD_LIBRARY_PATH": str(BROUGHT / "al2023" / "lib")}
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=own or BROUGHT / "chromium",
            # tests may run as root, whom Chromium refuses to sandbox
            args=["--no-sandbox"],
            # in the locale C, Chromium calls its language en-US@posix, which no page can format numbers in
            env={**os.environ, "LC_ALL": "en_US.UTF-8", **libraries},
        )
        yield running
        running.close()
