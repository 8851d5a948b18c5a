"""Wherever a service quotes the credential, and however it writes it, no text of ours holds it."""

from __future__ import annotations

import html
import json
import urllib.parse
from typing import TYPE_CHECKING

import pytest

from airflow_provider_twexport.core.credentials import redact_secret
from airflow_provider_twexport.core.retry import Retry
from airflow_provider_twexport.core.timing import Timing
from airflow_provider_twexport.exceptions import TwexportError
from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
from tests.core.raw_server import response, serving

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

TOKENS = ["plain-token-1234", "slash/plus+equals==", 'quote"back\\slash&amp;<x>', "späce token ✓ %41?"]


def _escaped(text: str) -> str:
    return "".join(f"\\u{ord(character):04x}" for character in text)


def _lower_percent(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())


ENCODINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "percent": lambda text: urllib.parse.quote(text, safe=""),
    "percent, plus": urllib.parse.quote_plus,
    "percent, lower case": _lower_percent,
    "percent, half": lambda text: text[:4] + _lower_percent(text[4:]),
    "percent, twice": lambda text: urllib.parse.quote(urllib.parse.quote(text, safe=""), safe=""),
    "JSON escapes": _escaped,
    "JSON escapes, upper case": lambda text: _escaped(text).upper().replace("\\U", "\\u"),
    "JSON": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "HTML": html.escape,
    "HTML numbers": lambda text: "".join(f"&#{ord(character)};" for character in text),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("token", TOKENS)
def test_each_encoding_is_redacted(token: str, encoding: str) -> None:
    """What is left is what stood around it."""
    quoted = ENCODINGS[encoding](token)
    assert redact_secret(f"before {quoted} after", token) == "before *** after"


def test_other_texts_stay() -> None:
    """Escapes alone are no reason to change a text."""
    text = "100% of A&B, C:\\temp + more %2F"
    assert redact_secret(text, TOKENS[0]) == text


CONTROL = '{"chunk_type":"CT_CONTROL","chunk_control":{"resume_offset":"%s"}}\n'
PLACES: dict[str, tuple[str, str]] = {
    "message of an error": ("400 Bad Request", '{"status_code":"5","status_message":"bad ?access_token=%s"}'),
    "code of an error": ("400 Bad Request", '{"status_code":"%s","status_message":"bad"}'),
    "request id": ("400 Bad Request", '{"status_code":"5","request_id":"%s"}'),
    "details of an error": (
        "400 Bad Request",
        '{"status_code":"5","result_error":{"data":[{"key":"%s","value":["%s"]}]}}',
    ),
    "error chunk": (
        "200 OK",
        CONTROL % "earliest" + '{"chunk_type":"CT_ERROR","chunk_error":{"reason":"%s"}}\n',
    ),
    "error chunk with a code": (
        "200 OK",
        CONTROL % "earliest" + '{"chunk_type":"CT_ERROR","x":{"status_code":"9","status_message":"%s"}}\n',
    ),
    "offset": ("200 OK", CONTROL % "earliest" + CONTROL),
    "first offset": ("200 OK", CONTROL),
    "page of a proxy": ("502 Bad Gateway", "<html>%s</html>"),
}


@pytest.mark.parametrize("encoding", ["as it is", "percent", "percent, lower case", "JSON escapes", "JSON"])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("token", TOKENS)
def test_no_error_quotes_the_token(
    token: str, place: str, encoding: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Errors, their evidence and the log are free of it, wherever the service quotes the request."""
    status, template = PLACES[place]
    quoted = ENCODINGS[encoding](token)
    if encoding in ("as it is", "percent", "percent, lower case"):
        quoted = json.dumps(quoted)[1:-1]  # as any JSON writer has to
    body = response(template.replace("%s", quoted).encode(), status)
    timing = Timing(retry=Retry(attempts=2, first_wait=0.01), idle_read=2.0)

    def respond(request: str, connection: socket.socket) -> None:
        connection.sendall(body)

    cursor = "o1" if place == "first offset" else "earliest"
    with serving(respond) as url, pytest.raises(TwexportError) as raised:
        list(TalkwalkerClient(token, url, timing).drain("box", cursor=cursor, missing=lambda: 9))
    said = "\n".join([str(raised.value), repr(raised.value.args), repr(raised.value.evidence), caplog.text])
    for encode in ENCODINGS.values():
        assert encode(token) not in said
