"""The one HTTP session: timeouts, retries, redirects, error translation and signing are here and nowhere else.

The connection adds the credential below everything that logs or raises: neither the request object, nor an
exception text, nor a debug log of requests, urllib3 or http.client ever holds it.
"""

from __future__ import annotations

import json
import re
import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from airflow_provider_twexport.core.base_url import checked_base_url, is_loopback
from airflow_provider_twexport.core.retry import WireEvent
from airflow_provider_twexport.exceptions import (
    ConnectionConfigError,
    Evidence,
    ReadIdleError,
    ReadInterruptedError,
    RetriableError,
    ThrottledError,
    TransientError,
    TwexportError,
    UnexpectedResponseError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from airflow_provider_twexport.core.credentials import Credential
    from airflow_provider_twexport.core.retry import Retry

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
BLOCK_BYTES = 256 * 1024
# a list of 100,000 exports has about 40 MB; these services send nothing larger
MAX_BODY_BYTES = 128 * 1024 * 1024
# of an error that is not JSON
MAX_PAGE_BYTES, MAX_WORDS = 20_000, 300
_MARKUP = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class StreamedResponse:
    """A successful response whose body arrives in blocks.

    :param status: HTTP status.
    :param headers: of the response.
    :param blocks: the body, as it arrives.
    """

    status: int
    headers: Mapping[str, str]
    blocks: Iterator[bytes]

    def sent_at(self) -> float:
        """Return when the service sent this, in epoch seconds of its own clock; of ours where it does not say."""
        return (_http_date(self.headers.get("date", "")) or datetime.now(UTC)).timestamp()


class Session:
    """Sends signed requests to one host.

    :param base_url: ``https://`` address of the service; ``http://`` for loopback hosts only.
    :param credential: signs the requests.
    :param explain: returns the error that a response means, from its status and JSON body; ``None`` for a success.
    :param retry: how repeatable calls are retried.
    :param headers: sent with each request; nothing secret.
    :raises ConnectionConfigError: if a credential must not be sent to ``base_url``.
    """

    def __init__(
        self,
        base_url: str,
        credential: Credential,
        explain: Callable[[int, Any, Evidence], TwexportError | None],
        retry: Retry,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.base_url = checked_base_url(base_url)
        self.retry = retry
        self._credential = credential
        self._explain = explain
        self._requests = requests.Session()
        self._requests.trust_env = not is_loopback(self.base_url)
        self._requests.headers.update(headers)
        self._requests.auth = no_auth  # else requests would add a login of ~/.netrc, where logs show it
        self._in_flight = _InFlight()
        for scheme in ("http://", "https://"):
            self._requests.mount(scheme, _SigningAdapter(credential, self._in_flight))

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        form: Mapping[str, str] | None = None,
        repeatable: bool = True,
        timeout: float = READ_SECONDS,
    ) -> Any:
        """Return the JSON body of a successful response.

        :param params: query parameters.
        :param body: sent as JSON.
        :param form: sent as a form instead.
        :param repeatable: whether to retry after a transient error; never for a call that buys something.
        :param timeout: seconds until the whole response must be there.
        :raises TwexportError: the error that the response, or its absence, means.
        """

        def call_once() -> Any:
            with self._send(method, path, params, body, timeout, form=form) as response:
                return self._parse(response, Evidence(method, path, response.status_code))

        return self.retry.call(call_once) if repeatable else call_once()

    def content(self, method: str, path: str, *, body: Any, timeout: float = READ_SECONDS) -> bytes:
        """Return the body of a successful response as bytes; never retried.

        :param body: sent as JSON.
        :param timeout: seconds until the whole response must be there.
        :raises TwexportError: the error that the response, or its absence, means.
        """
        self.retry.on_event(WireEvent.READ)
        with self._send(method, path, None, body, timeout) as response:
            evidence = Evidence(method, path, response.status_code)
            if not response.ok:
                self._parse(response, evidence)
            return _content(response, evidence)

    def head(self, path: str, *, params: Mapping[str, Any]) -> Mapping[str, str]:
        """Return the headers of a successful response to HEAD.

        :raises TwexportError: the error that the response, or its absence, means.
        """

        def call_once() -> Mapping[str, str]:
            with self._send("HEAD", path, params, None, READ_SECONDS) as response:
                if not response.ok:
                    self._parse(response, Evidence("HEAD", path, response.status_code))
                return response.headers

        return self.retry.call(call_once)

    @contextmanager
    def stream(
        self,
        path: str,
        *,
        params: Mapping[str, Any],
        timeout: float,
        headers: Mapping[str, str] | None = None,
        compressed: bool = False,
        silence: float | None = None,
    ) -> Iterator[StreamedResponse]:
        """Open a long response and hand out its body as it arrives; never retried.

        :param timeout: seconds until the head of the response must be there.
        :param silence: seconds to wait for each next byte of the body; ``None`` for ``timeout``.
        :param headers: sent with this request; nothing secret.
        :param compressed: ask for gzip and hand out the compressed bytes.
        :raises TwexportError: the error that the response, or its end, means.
        """
        self.retry.on_event(WireEvent.READ)
        headers = {"Accept-Encoding": "gzip"} if compressed else headers
        with self._send(
            "GET", path, params, None, timeout, headers=headers, body_silence=silence or timeout
        ) as response:
            evidence = Evidence("GET", path, response.status_code)
            if not response.ok:
                self._parse(response, evidence)
            blocks = _blocks(response, evidence, decompress=not compressed)
            yield StreamedResponse(response.status_code, response.headers, blocks)

    @contextmanager
    def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None,
        body: Any,
        timeout: float,
        *,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body_silence: float | None = None,
    ) -> Iterator[requests.Response]:
        self.retry.on_event(WireEvent.REQUEST)
        evidence = Evidence(method, path)
        with self._in_flight.within(timeout, evidence) as deadline:
            with _translated(evidence):
                response = self._requests.request(
                    method,
                    self.base_url + path,
                    params=params,
                    json=body,
                    data=form,
                    headers=headers,
                    timeout=(min(CONNECT_SECONDS, timeout), timeout),
                    stream=True,
                    allow_redirects=False,
                )
            if body_silence is not None:
                deadline.replace_by_silence(body_silence)
            with response:
                self._refuse_redirect(response, Evidence(method, path, response.status_code))
                yield response

    def redact(self, value: Any) -> Any:
        """Return a decoded document of the service without the credential, whatever quotes it.

        Each text of a service passes here before it becomes a text of ours: an error, a log line, a value.
        """
        return self._credential.redact_json(value)

    def evidence_of(self, method: str, path: str, status: int, content: bytes) -> Evidence:
        """Return the evidence of a response that is no JSON, with the first words of its body."""
        return Evidence(method, path, status, details=self.redact(_words(content)) or None)

    def _refuse_redirect(self, response: requests.Response, evidence: Evidence) -> None:
        if not response.is_redirect:
            return
        host = urlsplit(response.headers["location"]).hostname or "another path"
        msg = f"The service redirects to {host}, where the credential must not go. Correct the connection's host."
        raise ConnectionConfigError(self.redact(msg), evidence)

    def _parse(self, response: requests.Response, evidence: Evidence) -> Any:
        content = _content(response, evidence)
        try:
            body = self.redact(json.loads(content))
        except (ValueError, RecursionError):
            body = None
            if not response.ok:
                evidence = self.evidence_of(evidence.method, evidence.path, response.status_code, content)
        error = self._explain(response.status_code, body, evidence) or _unexplained(body, evidence)
        if error is None or (response.ok and not content):
            return body
        if isinstance(error, ThrottledError):
            self.retry.on_event(WireEvent.THROTTLE)
        if isinstance(error, RetriableError) and error.retry_after is None:
            error.retry_after = _retry_after(response)
        raise error


def no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Add no login, not even one of ``~/.netrc``."""
    return request


class _Deadline:
    """Shuts sockets down when the time is over: a socket's own timeout restarts with each byte.

    :param seconds: until the time is over.
    """

    def __init__(self, seconds: float) -> None:
        self.is_over = False
        self.sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._timer.start()

    def cancel(self) -> None:
        """Leave the sockets open from now on."""
        self._timer.cancel()

    def replace_by_silence(self, seconds: float) -> None:
        """Limit the wait for each next byte instead."""
        self.cancel()
        for each in self.sockets:
            each.settimeout(seconds)

    def _end(self) -> None:
        self.is_over = True
        for each in self.sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


class _InFlight(threading.local):
    """The deadline of the request that this thread is sending, for the connection that carries it."""

    deadline: _Deadline | None = None

    @contextmanager
    def within(self, seconds: float, evidence: Evidence) -> Iterator[_Deadline]:
        """Limit the time of the block.

        :raises TransientError: if the time is over.
        """
        deadline = self.deadline = _Deadline(seconds)
        try:
            yield deadline
        except Exception:
            if not deadline.is_over:
                raise
        finally:
            deadline.cancel()
            self.deadline = None
        if deadline.is_over:
            raise TransientError(f"The response was not there within {seconds:g} s.", evidence)

    def carried_by(self, connection_socket: socket.socket | None) -> None:
        """Remember which socket to shut down."""
        if self.deadline and connection_socket:
            self.deadline.sockets.append(connection_socket)


class _SigningAdapter(HTTPAdapter):
    """Hands requests to connections that sign them."""

    def __init__(self, credential: Credential, in_flight: _InFlight) -> None:
        self._pools = _signing_pools(credential, in_flight)
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager


def _signing_pools(credential: Credential, in_flight: _InFlight) -> dict[str, type[HTTPConnectionPool]]:
    class Signing:
        debuglevel = 0  # http.client would print the signed request line

        def connect(self) -> None:
            super().connect()  # type: ignore[misc]
            in_flight.carried_by(self.sock)  # type: ignore[attr-defined]

        def request(self, method: str, url: str, body: Any = None, *args: Any, **kwargs: Any) -> None:
            super().request(method, url, credential.fill(body), *args, **kwargs)  # type: ignore[misc]

        def putrequest(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:
            in_flight.carried_by(self.sock)  # type: ignore[attr-defined]
            super().putrequest(method, credential.sign(url), *args, **kwargs)  # type: ignore[misc]
            for name, value in credential.headers().items():
                self.putheader(name, value)  # type: ignore[attr-defined]

    class PlainConnection(Signing, HTTPConnection):
        pass

    class TlsConnection(Signing, HTTPSConnection):
        pass

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = PlainConnection

    class TlsPool(HTTPSConnectionPool):
        ConnectionCls = TlsConnection

    return {"http": PlainPool, "https": TlsPool}


@contextmanager
def _translated(evidence: Evidence) -> Iterator[None]:
    """Turn what requests and urllib3 raise into our errors, without their texts, which contain URLs."""
    try:
        yield
    except (requests.exceptions.SSLError, requests.exceptions.InvalidURL) as error:
        msg = f"No safe connection to the host ({type(error).__name__}). Check the connection's host and certificates."
        raise ConnectionConfigError(msg, evidence) from None
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise TransientError(f"The service did not respond ({type(error).__name__}).", evidence) from None


def _content(response: requests.Response, evidence: Evidence) -> bytes:
    content = bytearray()
    with _translated(evidence):
        for block in response.raw.stream(BLOCK_BYTES, decode_content=True):
            content += block
            if len(content) > MAX_BODY_BYTES:
                msg = f"The response is longer than {MAX_BODY_BYTES:,} bytes. Report this to the service."
                raise UnexpectedResponseError(msg, evidence)
    return bytes(content)


def _blocks(response: requests.Response, evidence: Evidence, *, decompress: bool) -> Iterator[bytes]:
    raw = response.raw
    # read(n) would hold back a live stream until n bytes are there
    blocks = (
        raw.stream(BLOCK_BYTES, decode_content=decompress)
        if raw.chunked
        else iter(lambda: raw.read1(BLOCK_BYTES, decode_content=decompress), b"")
    )
    try:
        yield from blocks
    except (urllib3.exceptions.ReadTimeoutError, TimeoutError):
        raise ReadIdleError("The response stays open, but no byte arrives.", evidence) from None
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise ReadInterruptedError(f"The response broke off ({type(error).__name__}).", evidence) from None


def _words(content: bytes) -> str:
    """Return what a page or a plain text says, in one short line."""
    text = _MARKUP.sub(" ", content[:MAX_PAGE_BYTES].decode(errors="replace"))
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())[:MAX_WORDS]


def _unexplained(body: Any, evidence: Evidence) -> TwexportError | None:
    """Return the error that a response means which no vendor code explains."""
    status = evidence.status or 0
    if status == 429:
        return ThrottledError("Too many calls.", evidence)
    if status >= 500:
        return TransientError("The service is unavailable.", evidence)
    if status >= 400 or body is None:
        msg = (
            "The response is not one of this service. "
            "Check whether a proxy, or another service, answers at the connection's host."
        )
        return UnexpectedResponseError(msg, evidence)
    return None


def _retry_after(response: requests.Response) -> float | None:
    """Return the seconds of a Retry-After header; a date counts from the service's own clock, where it sends that."""
    value = response.headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", value):
        return float(value)
    due, now = _http_date(value), _http_date(response.headers.get("date", "")) or datetime.now(UTC)
    return max(0.0, (due - now).total_seconds()) if due else None


def _http_date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
