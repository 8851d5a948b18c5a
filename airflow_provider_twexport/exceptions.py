"""Every error of this package, named by what happened; its base class says whether a retry helps.

::

    TwexportError
    ├── FatalError
    │   ├── InvalidRequestError
    │   │   ├── QuerySyntaxError
    │   │   ├── UnsupportedFormatError
    │   │   └── InvalidCompressionLevelError
    │   ├── ConnectionConfigError
    │   ├── PermissionDeniedError
    │   ├── BudgetExceededError
    │   │   └── RequestBudgetExceededError
    │   ├── InsufficientCreditsError
    │   ├── QuotaExceededError
    │   ├── PaidCallFailedError
    │   ├── NotFoundError
    │   │   └── ManifestNotFoundError
    │   ├── ExportExistsError
    │   ├── ExportFailedError
    │   ├── ExportTruncatedError
    │   ├── AlreadyEndedError
    │   ├── ResultsExpiringError
    │   ├── ResultsExpiredError
    │   ├── CoverageGapError
    │   ├── StreamInUseError
    │   ├── DirectoryInUseError
    │   ├── LandingClosedError
    │   ├── CorruptLandingError
    │   ├── CorruptPartError
    │   ├── CorruptManifestError
    │   ├── UnsupportedManifestVersionError
    │   └── UnexpectedResponseError
    └── RetriableError
        ├── TransientError
        ├── ThrottledError
        ├── ReadInterruptedError
        │   └── ReadIdleError
        ├── ReadStalledError
        ├── NotReadyError
        ├── OrderUnconfirmedError
        ├── IncompleteLandingError
        ├── LockTimeoutError
        └── LockExpiredError

The first paragraph of a class's docstring is what happened, the second what to do; docs/errors.md is made from them.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


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

    :param message: what happened; its last sentence is what to do next.
    :param evidence: what the service answered, where it did.
    :param facts: the names and numbers of the message, as plain JSON values, for programs.
    """

    kind: ClassVar[str]
    """The condition in snake case, the same as in the class's name: ``BudgetExceededError`` is ``budget_exceeded``."""

    def __init_subclass__(cls) -> None:
        """Derive the kind from the name."""
        cls.kind = re.sub(r"\B(?=[A-Z])", "_", cls.__name__.removesuffix("Error")).lower()

    def __init__(
        self, message: str, evidence: Evidence | None = None, facts: Mapping[str, Any] | None = None
    ) -> None:
        # the rest is in __dict__, which pickle and copy take along
        super().__init__(message)
        self.message = message
        self.evidence = evidence
        self.facts = dict(facts or {})

    def add(self, advice: str) -> None:
        """Put after the message what only the caller knows to do."""
        self.message = f"{self.message} {advice}"

    def prepend(self, sentence: str) -> None:
        """Put before the message what only the caller knows to have happened."""
        self.message = f"{sentence} {self.message}"

    def __str__(self) -> str:
        """Return the message, followed by the evidence in brackets."""
        return f"{self.message} [{self.evidence}]" if self.evidence else self.message

    def to_json(self) -> dict[str, Any]:
        """Return the error as plain JSON values, for :func:`from_json` in another process."""
        evidence = self.evidence and asdict(self.evidence)
        return {"kind": self.kind, "message": self.message, "facts": self.facts, "evidence": evidence}


class FatalError(TwexportError):
    """The same try would meet the same error again, so Airflow does not retry."""


class RetriableError(TwexportError):
    """The same try may succeed later, so Airflow retries as often as the task allows.

    :param retry_after: seconds that the service asked to wait, where it did.
    """

    def __init__(
        self,
        message: str,
        evidence: Evidence | None = None,
        facts: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, evidence, facts)
        self.retry_after = retry_after


class InvalidRequestError(FatalError):
    """An argument is missing, has a wrong value, or contradicts another one.

    Change the argument that the message names.
    """


class QuerySyntaxError(InvalidRequestError):
    """The service cannot parse the query.

    Correct the query at the place that the message names.
    """


class UnsupportedFormatError(InvalidRequestError):
    """The file format does not exist, does not suit these results, or needs a package that is not installed.

    Choose a format that the message lists, or install the package that it names.
    """


class InvalidCompressionLevelError(InvalidRequestError):
    """The file format has no such compression level.

    Choose a level from the range that the message names.
    """


class ConnectionConfigError(FatalError):
    """The service does not accept the connection's host, login, secret or account.

    Correct the field of the connection that the message names.
    """


class PermissionDeniedError(FatalError):
    """The credential is valid and may not do this.

    Ask the account's administrator, or the vendor, for the right that the message names.
    """


class BudgetExceededError(FatalError):
    """The order may cost more than one of your own bounds allows; nothing was bought.

    Make the order smaller, or raise the bound that the message names.
    """


class RequestBudgetExceededError(BudgetExceededError):
    """A search needs more requests than ``max_requests`` allows; what it has brought is kept.

    Raise ``max_requests`` and clear the task: the search continues where it stopped.
    """


class InsufficientCreditsError(FatalError):
    """The account has no credits left.

    Buy credits, or wait for the next billing period, then clear the task.
    """


class QuotaExceededError(FatalError):
    """The account holds as many rules, streams or sources as it may.

    Delete some that nobody needs.
    """


class PaidCallFailedError(FatalError):
    """A call failed that may have cost credits, so it is not repeated without your consent.

    Clear the task to pay for the call once more.
    """


class NotFoundError(FatalError):
    """What the task needs does not exist, or no longer.

    Check the id or path that the message names.
    """


class ManifestNotFoundError(NotFoundError):
    """The directory holds no manifest, so no complete landing.

    Check the path, or land there first.
    """


class ExportExistsError(FatalError):
    """This export exists already, and ``if_exists`` is ``fail``.

    Set ``if_exists`` to ``adopt`` to use it, or to ``recreate`` to pay for it again.
    """


class ExportFailedError(FatalError):
    """The export has ended without giving what was ordered: it failed, was aborted, or was deleted.

    Read the service's reason in the message, then clear the task that ordered the export to order it again.
    """


class ExportTruncatedError(FatalError):
    """More results matched than ``limit`` allowed, and ``on_truncated`` is ``fail``.

    Raise ``limit``, or split the window.
    """


class AlreadyEndedError(FatalError):
    """The export that should be ended has ended already.

    Look at its status again.
    """


class ResultsExpiringError(FatalError):
    """Paid results have not landed, and the service will delete them soon.

    Land them before the time that the message names.
    """


class ResultsExpiredError(FatalError):
    """The service no longer holds results that were paid for.

    Decide whether to buy them again, with ``if_exists="recreate"``.
    """


class CoverageGapError(FatalError):
    """Days of the window have not landed, or only in part.

    Trigger the DAG again with the same window: it orders only what is missing.
    """


class StreamInUseError(FatalError):
    """Another reader uses the same stream.

    Stop one of the two readers, then clear the task.
    """


class DirectoryInUseError(FatalError):
    """The directory holds another landing, which is not overwritten.

    Choose another directory.
    """


class LandingClosedError(FatalError):
    """A landing was written to after it was committed or discarded.

    Open the landing again.
    """


class CorruptLandingError(FatalError):
    """A landing is incomplete, or its parts are not as they were written.

    Restore the files, or land again.
    """


class CorruptPartError(FatalError):
    """A part is cut off, or is not of the file format that its name says.

    Restore the file, or land again.
    """


class CorruptManifestError(FatalError):
    """A manifest, or an entry of the ledger, cannot be read.

    Restore the file, or remove it and land again.
    """


class UnsupportedManifestVersionError(FatalError):
    """A newer version of this package has written the manifest, or the entry of the ledger.

    Upgrade airflow-provider-twexport.
    """


class UnexpectedResponseError(FatalError):
    """The service has answered what its documentation does not describe.

    Check that the connection's host is the service itself, then report the message to this project.
    """


class TransientError(RetriableError):
    """The network or the service has failed for the moment.

    Wait for the retry; if it fails for long, look at the service's status page.
    """


class ThrottledError(RetriableError):
    """The service has received more calls, or holds more connections, than it allows at a time.

    Wait for the retry; if this happens often, run fewer tasks at a time.
    """


class ReadInterruptedError(RetriableError):
    """A read broke off before its end; what arrived is kept.

    Wait for the retry: it continues where the read broke off.
    """


class ReadIdleError(ReadInterruptedError):
    """A read stays open, but nothing arrives any more; what arrived is kept.

    Wait for the retry: it continues where the read stopped.
    """


class ReadStalledError(RetriableError):
    """A read brings no result, though its cursor moves; what arrived is kept.

    Wait for the retry: it reads the rest.
    """


class NotReadyError(RetriableError):
    """What should be read is not ready yet.

    Wait for it with a sensor, or give the task more retries.
    """


class OrderUnconfirmedError(RetriableError):
    """The answer to an order was lost, and the service does not list what was ordered.

    Wait for the retry: it looks again before it orders.
    """


class IncompleteLandingError(RetriableError):
    """Fewer or more results came than were exported, or parts were removed meanwhile; what arrived is kept.

    Wait for the retry: it reads the rest, or reads again.
    """


class LockTimeoutError(RetriableError):
    """Other orders on the account kept its lock for too long; nothing was bought.

    Wait for the retry, or start fewer orders at a time.
    """


class LockExpiredError(RetriableError):
    """The account's lock expired before the order was ready; nothing was bought.

    Wait for the retry.
    """


def subclasses(base: type[TwexportError] = TwexportError) -> Iterator[type[TwexportError]]:
    """Yield all classes below ``base``, each before those below it, in the order of this file."""
    for cls in base.__subclasses__():
        yield cls
        yield from subclasses(cls)


def from_json(data: Mapping[str, Any]) -> TwexportError:
    """Return the error that :meth:`TwexportError.to_json` has described."""
    by_kind = {cls.kind: cls for cls in subclasses()}
    evidence = data["evidence"] and Evidence(**data["evidence"])
    return by_kind[data["kind"]](data["message"], evidence, data["facts"])
