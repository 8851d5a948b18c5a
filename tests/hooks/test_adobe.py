"""The Adobe connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_twexport.hooks.adobe import AdobeExperiencePlatformHook
from tests.adobe_account import ORDER, ORG_ID

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulator_process import Simulator


def test_the_test_button_tells_what_works(
    simulator: Simulator, adobe_connection: Callable[..., None]
) -> None:
    """Organization, sandbox, and whether jobs can be listed."""
    works, words = AdobeExperiencePlatformHook().test_connection()
    assert works, words
    assert ORG_ID in words
    assert "sandbox prod" in words
    assert "there are none yet" in words
    AdobeExperiencePlatformHook().get_conn().create_export_job(ORDER)
    assert "the newest is 100" in AdobeExperiencePlatformHook().test_connection()[1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"password": "not-a-real-secret"}, "does not know this client id and secret"),
        ({"password": ""}, "no client secret"),
        ({"login": ""}, "no client id"),
        ({"extra": {"org_id": ""}}, "no organization"),
        ({"extra": {"org_id": "someone@AdobeOrg"}}, "correct the connection's org_id"),
        ({"extra": {"scopes": ""}}, "no scopes"),
        ({"extra": {"ims_host": "http://ims.example.com"}}, "clear text"),
        ({"host": "http://platform.example.com"}, "clear text"),
        ({"host": "http://127.0.0.1:9"}, "did not respond"),
    ],
)
def test_what_is_wrong_is_told_and_not_raised(
    changes: dict[str, Any], words: str, adobe_connection: Callable[..., None]
) -> None:
    """The answer goes to a browser: a sentence, and no secret."""
    adobe_connection(**changes)
    works, told = AdobeExperiencePlatformHook().test_connection()
    assert not works
    assert words in told
    assert "not-a-real-secret" not in told


def test_a_missing_connection_is_told_and_not_raised() -> None:
    """Neither does this end in a traceback."""
    works, told = AdobeExperiencePlatformHook("there_is_no_such_connection").test_connection()
    assert not works
    assert told


def test_scopes_and_sandbox_may_be_written_in_several_ways(adobe_connection: Callable[..., None]) -> None:
    """A list, or a text with commas; no sandbox is prod."""
    adobe_connection(extra={"scopes": ["openid", "AdobeID"], "sandbox": None})
    assert AdobeExperiencePlatformHook().get_conn().sandbox == "prod"
    adobe_connection(extra={"sandbox": "dev"})
    assert AdobeExperiencePlatformHook().get_conn().sandbox == "dev"


def test_the_services_own_addresses_are_the_default(adobe_connection: Callable[..., None]) -> None:
    """Nobody has to know them."""
    adobe_connection(host=None, extra={"ims_host": None})
    assert AdobeExperiencePlatformHook().get_conn().base_url == "https://platform.adobe.io"
