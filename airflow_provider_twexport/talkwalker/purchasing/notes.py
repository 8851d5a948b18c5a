"""Notes of orders to other orders: empty collectors, whose names say everything.

The list of collectors may lag, so a note counts only once it is listed.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient


def leave_note(client: TalkwalkerClient, name: str) -> bool:
    """Create a note and return whether others can see it, after waiting for that.

    :param name: of the collector that is the note.
    """
    client.put_collector(name)
    for seconds in client.timing.order_listed:
        time.sleep(seconds)
        if any(collector.id == name for collector in client.list_collectors()):
            return True
    return False
