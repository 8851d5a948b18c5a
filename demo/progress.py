"""Lines that say what happens and how long it takes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

WIDTH = 44


@contextmanager
def step(what: str) -> Iterator[None]:
    """Print what happens, and afterwards how long it took."""
    print(f"  {what} ".ljust(WIDTH, "."), end=" ", flush=True)
    start = time.monotonic()
    try:
        yield
    except BaseException:
        print("stopped", flush=True)
        raise
    print(f"{time.monotonic() - start:5.1f} s", flush=True)
