"""A notifier as users write them, whose templates are rendered by Airflow."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseNotifier


class RememberingNotifier(BaseNotifier):
    """Keeps what others would send.

    :param text: a template.
    :param sent: takes the rendered texts.
    """

    template_fields = ("text",)

    def __init__(self, text: str, sent: list[str]) -> None:
        super().__init__()
        self.text = text
        self.sent = sent

    def notify(self, context: Any) -> None:
        """Keep a message."""
        self.sent.append(self.text)
