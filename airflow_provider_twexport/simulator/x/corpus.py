"""Which posts match a query: a function of seed, query, day and place within the day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.simulator.day import DAY, Day
from airflow_provider_twexport.simulator.prng import mixed, number
from airflow_provider_twexport.simulator.x.documents import created_at, post_id_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_twexport.simulator.x.documents import Posts


MINUTE = 60_000


@dataclass(frozen=True, slots=True)
class Matches:
    """What one query finds.

    :param posts_per_day: about how many.
    """

    seed: int
    query: str
    posts_per_day: int

    def count(self, start: int, stop: int) -> int:
        """How many posts `[start, stop)` holds, in epoch milliseconds."""
        return sum(day.before(stop) - day.before(start) for day in self._days(start, stop))

    def backwards(self, start: int, stop: int) -> Iterator[tuple[Day, int]]:
        """Yield day and index of the posts of `[start, stop)`, the newest first."""
        for day in reversed(self._days(start, stop)):
            for index in range(day.before(stop) - 1, day.before(start) - 1, -1):
                yield day, index

    def _days(self, start: int, stop: int) -> list[Day]:
        return [self._day(ordinal) for ordinal in range(start // DAY, -(-stop // DAY))]

    def _day(self, ordinal: int) -> Day:
        seed = number(self.seed, "x", self.query, ordinal)
        swing = 0.5 + (seed >> 32) / 0xFFFF_FFFF
        return Day(ordinal * DAY, seed, round(self.posts_per_day * swing))


PARTITIONS = 2
MINUTES = 1440
UNLIKES = 7


class Volume:
    """The messages of every stream.

    :param posts: makes the posts.
    """

    def __init__(self, seed: int, posts: Posts) -> None:
        self._seed = seed
        self._posts = posts

    def messages(
        self, stream: str, partitions: set[int], start: int, stop: int, per_minute: int
    ) -> Iterator[dict[str, Any]]:
        """Yield what happened in `[start, stop)`, in epoch milliseconds, in order.

        :param stream: ``sample10`` or ``sample10-likes``.
        :param partitions: some of 1 and 2.
        :param per_minute: how much happens, in all partitions.
        """
        make = self._post if stream == "sample10" else self._like_or_unlike
        for ordinal in range(start // DAY, -(-stop // DAY)):
            day = Day(ordinal * DAY, number(self._seed, stream, ordinal), per_minute * MINUTES)
            for index in range(day.before(start), day.before(stop)):
                if index % PARTITIONS + 1 in partitions:
                    yield make(day, index)

    def _post(self, day: Day, index: int) -> dict[str, Any]:
        post = self._posts.post(day, index, None, edit_metadata=True)
        del post["matching_rules"]
        post["timestamp_ms"] = str(day.moment(index))
        return post

    def _like_or_unlike(self, day: Day, index: int) -> dict[str, Any]:
        liked, moment = self._post(day, index), day.moment(index)
        liker = self._posts.liker(mixed(day.seed, ~index))
        if index % UNLIKES == 0:
            favorite = {"tweet_id": liked["id"], "tweet_id_str": liked["id_str"]}
            favorite |= {"user_id": liker["id"], "user_id_str": liker["id_str"]}
            return {"delete": {"favorite": favorite, "timestamp_ms": str(moment)}}
        return {
            "id": f"{number(day.seed, 'like', index):016x}{post_id_of(day, index):016x}",
            "created_at": created_at(moment),
            "timestamp_ms": moment,
            "favorited_status": liked,
            "user": liker,
        }


def key_of(message: dict[str, Any]) -> str:
    """Return what tells a message from others."""
    if "delete" in message:
        favorite = message["delete"]["favorite"]
        return f"{favorite['tweet_id']}:{favorite['user_id']}:{message['delete']['timestamp_ms']}"
    return str(message["id"])
