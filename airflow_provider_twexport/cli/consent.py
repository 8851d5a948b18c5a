"""Asking a person before money is spent or something is deleted."""

from __future__ import annotations

import sys

from airflow_provider_twexport.exceptions import InvalidRequestError


def confirmed(what: str, *, yes: bool) -> bool:
    """Return whether the person at the terminal agrees; ``--yes`` agrees beforehand.

    :param what: what is about to happen, in a sentence; it is printed in any case.
    :param yes: whether ``--yes`` was given.
    :raises InvalidRequestError: if there is neither a terminal nor ``--yes``.
    """
    print(what, file=sys.stderr)
    if yes:
        return True
    if not sys.stdin.isatty():
        raise InvalidRequestError("There is no terminal to ask for consent: give --yes to agree.")
    print("Continue? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().casefold() in ("y", "yes")
