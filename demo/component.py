"""One process of the stack: it has its own session, and its output is in a file."""

import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from demo.errors import ComponentError
from demo.sessions import kill_sessions, stop_sessions

TAIL_LINES = 15


class Component:
    """A named command that is started, watched and stopped together with all it forks."""

    def __init__(self, name: str, command: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        self._command = command
        self._env = env
        self._process: subprocess.Popen[bytes] | None = None
        self._output_start = 0

    @property
    def pid(self) -> int:
        """The component's process, which is also its session."""
        if self._process is None:
            raise ComponentError(f"The {self.name} has not been started.")
        return self._process.pid

    def start(self) -> None:
        """Start the command; its output is appended to the log."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._output_start = output.tell()
            self._process = subprocess.Popen(
                self._command,
                env=dict(self._env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def output(self) -> str:
        """Return what the command has written since its last start."""
        with self.log.open("rb") as log:
            log.seek(self._output_start)
            return log.read().decode(errors="replace")

    def check_alive(self) -> None:
        """Raise, with the end of the log, if the process has ended."""
        if self._process is not None and self._process.poll() is not None:
            raise self.failure(f"ended with exit code {self._process.returncode}")

    def wait(self, timeout: float) -> None:
        """Wait for a command that ends by itself; raise unless it succeeds in time."""
        assert self._process is not None  # noqa: S101 - started by the caller
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise self.failure(f"did not finish in {timeout:.0f} s") from None
        if self._process.returncode != 0:
            self.check_alive()

    @property
    def started(self) -> bool:
        """Whether there ever was a process to stop."""
        return self._process is not None

    def reap(self) -> None:
        """Collect the exit code of an ended process, so that no zombie stays."""
        if self._process is not None:
            self._process.wait()

    def kill(self) -> None:
        """Kill the component and its children, as if the machine had died."""
        if self._process is not None:
            kill_sessions([self.pid])
            self.reap()

    def failure(self, what: str) -> ComponentError:
        """Return an error with the last lines of the log and its path."""
        return ComponentError(f"The {self.name} {what}. The end of its log, {self.log}:\n{self._tail()}")

    def _tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(f"    {line}" for line in lines[-TAIL_LINES:]) or "    (empty)"


def stop_all(components: Iterable[Component], grace: float = 6) -> None:
    """Stop components at the same time, with everything they forked."""
    started = [component for component in components if component.started]
    stop_sessions([component.pid for component in started], grace)
    for component in started:
        component.reap()


def wait_until(ready: Callable[[], bool], watched: Sequence[Component], timeout: float) -> bool:
    """Return True when `ready`, or False when the time is up; raise when a watched component ends."""
    deadline = time.monotonic() + timeout
    while not ready():
        for component in watched:
            component.check_alive()
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
