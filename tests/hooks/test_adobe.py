"""The Adobe connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_twexport.hooks.adobe import AdobeExperiencePlatformHook
from tests.adobe_account import ORDER, ORG_ID

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulator_process import Simulator


def test_the_test_button_says_what_works(simulator: Simulator, adobe_connection: Callable[..., None]) -> None:
    """The test names organization and sandbox, and whether jobs can be listed."""
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
def test_what_is_wrong_is_reported_and_not_raised(
    changes: dict[str, Any], words: str, adobe_connection: Callable[..., None]
) -> None:
    """The browser receives a sentence, without a secret."""
    adobe_connection(**changes)
    works, message = AdobeExperiencePlatformHook().test_connection()
    assert not works
    assert words in message
    assert "not-a-real-secret" not in message


def test_a_missing_connection_is_reported_and_not_raised() -> None:
    """A missing connection does not end in a traceback."""
    works, message = AdobeExperiencePlatformHook("there_is_no_such_connection").test_connection()
    assert not works
    assert message


def test_scopes_may_be_a_list_or_a_text(adobe_connection: Callable[..., None]) -> None:
    """Scopes are a list, or a text separated by commas; without sandbox it is prod."""
    adobe_connection(extra={"scopes": ["openid", "AdobeID"], "sandbox": None})
    assert AdobeExperiencePlatformHook().get_conn().sandbox == "prod"
    adobe_connection(extra={"sandbox": "dev"})
    assert AdobeExperiencePlatformHook().get_conn().sandbox == "dev"


def test_the_services_own_addresses_are_the_default(adobe_connection: Callable[..., None]) -> None:
    """A connection without host uses the URLs of Adobe."""
    adobe_connection(host=None, extra={"ims_host": None})
    assert AdobeExperiencePlatformHook().get_conn().base_url == "https://platform.adobe.io"
