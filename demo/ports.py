"""Loopback ports: a free one, and a clear word when a wanted one is taken."""

import errno
import socket

from demo.errors import DemoError

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """Return a port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def require_free(port: int, purpose: str, variable: str) -> None:
    """Raise unless a server could listen on the port; say how `make` is told another one."""
    with socket.socket() as probe:
        # As servers do: a connection that was closed a moment ago does not keep the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            reason = (
                "is already in use"
                if error.errno == errno.EADDRINUSE
                else f"cannot be used ({error.strerror})"
            )
            raise DemoError(
                f"Port {port} for {purpose} {reason}. "
                f"Stop what listens there, or choose another port: make demo {variable}={free_port()}"
            ) from None
