"""What happens on the wire, told to whoever counts it; a client by itself counts nothing."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TypeAlias


class Happening(StrEnum):
    """What there is to count, and what its metric is called."""

    REQUEST = "requests"
    """A request was sent."""
    READ = "read_requests"
    """It asks for results."""
    THROTTLE = "throttles"
    """The service answered that there are too many."""
    RETRY = "retries"
    """What failed in passing is tried again."""


Watch: TypeAlias = Callable[[Happening], None]


def unwatched(happening: Happening) -> None:
    """Count nothing."""
