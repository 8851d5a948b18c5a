"""Errors, named by what to do next.

::

    TwexportError
    ├── InvalidRequestError          an argument is wrong: change it
    ├── ConnectionConfigError       host, token or account link is wrong: change the connection
    ├── PermissionDeniedError        the token may not do this: ask its owner for more rights
    ├── BudgetExceededError          the order would exceed the user's own budget
    ├── RequestBudgetExceededError   a search would send more requests than allowed
    ├── InsufficientCreditsError     the account has no credits for this
    ├── QuotaExceededError           the account holds too many of these: delete some
    ├── NotFoundError             what was asked for does not exist (any more)
    ├── ResultsExpiredError           what was bought can no longer be read: decide whether to buy it again
    ├── StreamInUseError     somebody else reads the same stream: stop one of the two
    ├── UnexpectedResponseError    the service said what nobody documented: look at it before going on
    └── TransientError          a passing fault: the same call may succeed later
        ├── ThrottledError       too many calls: wait for the next minute
        ├── ReadStalledError          a read brings no result
        └── ReadInterruptedError      a read broke off: go on from the last cursor
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the service answered, without anything secret.

    :param method: HTTP method of the call.
    :param path: path of the call, never with its query string.
    :param status: HTTP status; ``None`` where no answer came.
    :param code: the vendor's own error code.
    :param request_id: the vendor's name for the call, for its support.
    :param details: the vendor's further words.
    """

    method: str
    path: str
    status: int | None = None
    code: str | None = None
    request_id: str | None = None
    details: str | None = None

    def __str__(self) -> str:
        """Return one line for a log."""
        facts = {
            "HTTP": self.status,
            "code": self.code,
            "request": self.request_id,
            "details": self.details,
        }
        known = [f"{name} {value}" for name, value in facts.items() if value is not None]
        return ", ".join([f"{self.method} {self.path}", *known])


class TwexportError(Exception):
    """The root of all errors of this package.

    :param message: what went wrong and what to do next.
    :param evidence: what the service answered, where it did.
    :param facts: the names and numbers of the message, for programs.
    """

    def __init__(
        self, message: str, evidence: Evidence | None = None, facts: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message, evidence, facts)
        self.message = message
        self.evidence = evidence
        self.facts = dict(facts or {})

    @property
    def kind(self) -> str:
        """What to do next, in a word."""
        return type(self).__name__

    def add(self, sentence: str) -> None:
        """Add to the message what only the caller knows."""
        self.message = f"{self.message} {sentence}"
        self.args = (self.message, *self.args[1:])

    def __str__(self) -> str:
        """Return the message, followed by the evidence in brackets."""
        return f"{self.message} [{self.evidence}]" if self.evidence else self.message


class InvalidRequestError(TwexportError):
    """An argument is wrong: change it."""


class ConnectionConfigError(TwexportError):
    """Host, token or account link is wrong: change the connection."""


class PermissionDeniedError(TwexportError):
    """The token may not do this: ask its owner for more rights."""


class BudgetExceededError(TwexportError):
    """The order would exceed the user's own budget; nothing was bought."""


class RequestBudgetExceededError(BudgetExceededError):
    """A search needs more requests than its budget allows; what came so far is kept."""


class InsufficientCreditsError(TwexportError):
    """The account has no credits for this."""


class QuotaExceededError(TwexportError):
    """The account holds too many of these: delete some."""


class NotFoundError(TwexportError):
    """What was asked for does not exist (any more)."""


class ResultsExpiredError(TwexportError):
    """What was bought can no longer be read: decide whether to buy it again."""


class StreamInUseError(TwexportError):
    """Somebody else reads the same stream: stop one of the two."""


class UnexpectedResponseError(TwexportError):
    """The service said what nobody documented: look at it before going on."""


class TransientError(TwexportError):
    """A passing fault: the same call may succeed later.

    :param retry_after: seconds that the service asked to wait, where it did.
    """

    def __init__(
        self, message: str, evidence: Evidence | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message, evidence)
        self.retry_after = retry_after


class ThrottledError(TransientError):
    """Too many calls: wait for the next minute."""


class ReadInterruptedError(TransientError):
    """A read broke off: go on from the last cursor."""


class ReadIdleError(ReadInterruptedError):
    """A read stays open, but nothing arrives any more."""


class ReadStalledError(TransientError):
    """A read brings no result, though its cursor moves."""
