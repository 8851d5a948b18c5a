"""Wait for something that another process or thread does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# seconds, for what takes one on a quiet machine and must not fail on a busy one
PATIENCE = 120.0


def wait_until(condition: Callable[[], Any], timeout: float = PATIENCE) -> Any:
    """Return what ``condition`` returns as soon as that is true.

    :param condition: is called again and again.
    :param timeout: seconds after which the test fails.
    """
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {timeout:.0f} s"
        time.sleep(0.1)
    return value
