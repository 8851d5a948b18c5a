"""Lines that say what is happening and how long it took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

WIDTH = 44


@contextmanager
def step(what: str) -> Iterator[None]:
    """Print what is being done, and the time when it is done."""
    print(f"  {what} ".ljust(WIDTH, "."), end=" ", flush=True)
    began = time.monotonic()
    try:
        yield
    except BaseException:
        print("stopped", flush=True)
        raise
    print(f"{time.monotonic() - began:5.1f} s", flush=True)
