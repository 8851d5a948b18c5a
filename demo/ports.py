"""Loopback ports: a free one, and a clear message if a port is taken."""

import errno
import socket

from demo.errors import DemoError

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def require_free(port: int, purpose: str, variable: str) -> None:
    """Raise unless a server could listen on the port; the message says how to choose another port."""
    with socket.socket() as probe:
        # As servers do: a recently closed connection does not block the port.
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
