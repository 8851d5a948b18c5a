"""Buttons to Talkwalker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_twexport.links.base import PushedLink

if TYPE_CHECKING:
    from airflow.sdk import Context


class TalkwalkerExportLink(PushedLink):
    """The export task at Talkwalker."""

    name = "Talkwalker export"
    xcom_key = "talkwalker_export_url"


class TalkwalkerConsoleLink(PushedLink):
    """Talkwalker itself, from the task's start on."""

    name = "Talkwalker"
    xcom_key = "talkwalker_console_url"

    @classmethod
    def push(cls, context: Context) -> None:
        """Set the URL of the button.

        :param context: of the task.
        """
        # the login page; no vendor page says how to build the URL of a project
        cls.push_url(context, "https://app.talkwalker.com/app/login")
