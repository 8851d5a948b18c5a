"""One HTTP session: timeouts, retries, redirects, error translation and signing have their one place here.

The credential is added by the connection, below everything that logs or raises: neither the request
object, nor an exception text, nor a debug log of requests, urllib3 or http.client ever holds it.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
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
    ReadInterruptedError,
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


@dataclass(frozen=True, slots=True)
class StreamedResponse:
    """A successful answer whose body is still to come, in blocks, as they arrive."""

    status: int
    headers: Mapping[str, str]
    blocks: Iterator[bytes]


class Session:
    """Sends signed requests to one host.

    :param base_url: ``https://`` address of the service; ``http://`` for loopback hosts only.
    :param credential: what signs the requests.
    :param explain: turns an answer (its body where that was JSON) into the error that it means, ``None``
        where it means success.
    :param retry: how repeatable calls are tried again.
    :param headers: go with each request; nothing secret.
    :raises ConnectionConfigError: if ``base_url`` is not an address to send a credential to.
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
        self._requests.auth = no_auth  # else a login in ~/.netrc would be added to what is logged
        for scheme in ("http://", "https://"):
            self._requests.mount(scheme, _SigningAdapter(credential))

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        form: Mapping[str, str] | None = None,
        repeatable: bool = True,
        seconds: float = READ_SECONDS,
    ) -> Any:
        """Return the JSON body of a successful answer.

        :param params: query parameters.
        :param body: what to send as JSON.
        :param form: what to send as a form instead.
        :param repeatable: whether the call may be sent again after a passing fault; never for one that buys.
        :param seconds: how long to wait for the answer.
        :raises TwexportError: the error that the answer, or its absence, means.
        """

        def once() -> Any:
            with self._answer(method, path, params, body, seconds, form=form) as response:
                return self._body(response, Evidence(method, path, response.status_code))

        return self.retry.call(once) if repeatable else once()

    def content(self, method: str, path: str, *, body: Any, seconds: float = READ_SECONDS) -> bytes:
        """Return the body of a successful answer as it came; one try.

        :param body: what to send as JSON.
        :param seconds: how long to wait for the answer.
        :raises TwexportError: the error that the answer, or its absence, means.
        """
        self.retry.watch(WireEvent.READ)
        with self._answer(method, path, None, body, seconds) as response:
            evidence = Evidence(method, path, response.status_code)
            if not response.ok:
                self._body(response, evidence)
            with _translated(evidence):
                return bytes(response.content)

    @contextmanager
    def stream(
        self, path: str, *, params: Mapping[str, Any], seconds: float, packed: bool = False
    ) -> Iterator[Iterator[bytes]]:
        """Open a long answer and hand out its body in blocks, as they arrive; one try.

        :param seconds: how long to wait for each next byte.
        :param packed: ask for gzip, and hand it out as it is.
        :raises TwexportError: the error that the answer, or its end, means.
        """
        headers = {"Accept-Encoding": "gzip"} if packed else None
        with self.open(path, params=params, seconds=seconds, headers=headers, packed=packed) as answer:
            yield answer.blocks

    @contextmanager
    def open(
        self,
        path: str,
        *,
        params: Mapping[str, Any],
        seconds: float,
        headers: Mapping[str, str] | None = None,
        packed: bool = False,
    ) -> Iterator[StreamedResponse]:
        """Open a long answer whose head matters too; one try.

        :param seconds: how long to wait for each next byte.
        :param headers: go with this request; nothing secret.
        :param packed: hand the body out as it is, without unpacking it.
        :raises TwexportError: the error that the answer, or its end, means.
        """
        self.retry.watch(WireEvent.READ)
        with self._answer("GET", path, params, None, seconds, headers=headers) as response:
            evidence = Evidence("GET", path, response.status_code)
            if not response.ok:
                self._body(response, evidence)
            blocks = _blocks(response, evidence, unpack=not packed)
            yield StreamedResponse(response.status_code, response.headers, blocks)

    @contextmanager
    def _answer(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None,
        body: Any,
        seconds: float,
        *,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[requests.Response]:
        self.retry.watch(WireEvent.REQUEST)
        with _translated(Evidence(method, path)):
            response = self._requests.request(
                method,
                self.base_url + path,
                params=params,
                json=body,
                data=form,
                headers=headers,
                timeout=(min(CONNECT_SECONDS, seconds), seconds),
                stream=True,
                allow_redirects=False,
            )
        with response:
            self._refuse_redirect(response, Evidence(method, path, response.status_code))
            yield response

    def _refuse_redirect(self, response: requests.Response, evidence: Evidence) -> None:
        if not response.is_redirect:
            return
        host = urlsplit(response.headers["location"]).hostname or "another path"
        msg = f"The service redirects to {host}, where the credential must not go. Correct the connection's host."
        raise ConnectionConfigError(self._credential.redact(msg), evidence)

    def _body(self, response: requests.Response, evidence: Evidence) -> Any:
        with _translated(evidence):
            content = response.content
        try:
            body = json.loads(self._credential.redact(content.decode()))
        except ValueError:
            body = None
        error = self._explain(response.status_code, body, evidence) or _unreadable(body, evidence)
        if error is None or (response.ok and not content):
            return body
        if isinstance(error, ThrottledError):
            self.retry.watch(WireEvent.THROTTLE)
        if isinstance(error, TransientError) and error.retry_after is None:
            error.retry_after = _retry_after(response)
        raise error


def no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Add no login, not even one of ``~/.netrc``."""
    return request


class _SigningAdapter(HTTPAdapter):
    """Hands requests to connections that sign them."""

    def __init__(self, credential: Credential) -> None:
        self._pools = _signing_pools(credential)
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager


def _signing_pools(credential: Credential) -> dict[str, type[HTTPConnectionPool]]:
    class Signing:
        debuglevel = 0  # http.client would print the signed request line

        def request(self, method: str, url: str, body: Any = None, *args: Any, **kwargs: Any) -> None:
            super().request(method, url, credential.fill(body), *args, **kwargs)  # type: ignore[misc]

        def putrequest(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:
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
    """Turn what requests and urllib3 raise into our errors; their texts hold addresses and are left behind."""
    try:
        yield
    except (requests.exceptions.SSLError, requests.exceptions.InvalidURL) as error:
        msg = f"No safe connection to the host ({type(error).__name__}). Check the connection's host and certificates."
        raise ConnectionConfigError(msg, evidence) from None
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise TransientError(f"No answer from the service ({type(error).__name__}).", evidence) from None


def _blocks(response: requests.Response, evidence: Evidence, *, unpack: bool) -> Iterator[bytes]:
    raw = response.raw
    # read(n) would hold back a live stream until n bytes are there
    blocks = (
        raw.stream(BLOCK_BYTES, decode_content=unpack)
        if raw.chunked
        else iter(lambda: raw.read1(BLOCK_BYTES, decode_content=unpack), b"")
    )
    try:
        yield from blocks
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise ReadInterruptedError(f"The answer broke off ({type(error).__name__}).", evidence) from None


def _unreadable(body: Any, evidence: Evidence) -> TwexportError | None:
    """Return what an answer means that no vendor code explains."""
    status = evidence.status or 0
    if status == 429:
        return ThrottledError("Too many calls.", evidence)
    if status >= 500:
        return TransientError("The service is out of order.", evidence)
    if status >= 400 or body is None:
        msg = "The service's answer is not its own: is there a proxy, or another service, at the connection's host?"
        return UnexpectedResponseError(msg, evidence)
    return None


def _retry_after(response: requests.Response) -> float | None:
    """Return the seconds of a Retry-After header; its other form, a date, is not used by these services."""
    value = response.headers.get("retry-after", "")
    return float(value) if value.isdigit() else None
