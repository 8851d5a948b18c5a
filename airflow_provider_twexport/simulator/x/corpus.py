"""Which posts exist: a function of seed, query or stream, day and index within the day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.simulator.day import DAY_MS, Day
from airflow_provider_twexport.simulator.prng import hash64, splitmix64
from airflow_provider_twexport.simulator.x.documents import created_at, post_id_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_twexport.simulator.x.documents import Posts

PARTITIONS = frozenset((1, 2))
MINUTES_PER_DAY = 1440
# of so many messages about likes, one takes a like back
LIKES_PER_UNLIKE = 7


@dataclass(frozen=True, slots=True)
class Matches:
    """The posts that match a query.

    :param posts_per_day: their average number.
    """

    seed: int
    query: str
    posts_per_day: int

    def count(self, start: int, stop: int) -> int:
        """Count the posts of `[start, stop)`, in epoch milliseconds."""
        return sum(day.count_before(stop) - day.count_before(start) for day in self._days(start, stop))

    def newest_first(self, start: int, stop: int) -> Iterator[tuple[Day, int]]:
        """Yield day and index of the posts of `[start, stop)`, the newest first."""
        for day in reversed(self._days(start, stop)):
            for index in range(day.count_before(stop) - 1, day.count_before(start) - 1, -1):
                yield day, index

    def _days(self, start: int, stop: int) -> list[Day]:
        return [self._day(ordinal) for ordinal in range(start // DAY_MS, -(-stop // DAY_MS))]

    def _day(self, ordinal: int) -> Day:
        seed = hash64(self.seed, "x", self.query, ordinal)
        factor = 0.5 + (seed >> 32) / 0xFFFF_FFFF
        return Day(ordinal * DAY_MS, seed, round(self.posts_per_day * factor))


class StreamMessages:
    """The messages of every volume stream.

    :param posts: writes the posts.
    """

    def __init__(self, seed: int, posts: Posts) -> None:
        self._seed = seed
        self._posts = posts

    def messages(
        self, stream: str, partitions: frozenset[int], start: int, stop: int, per_minute: int
    ) -> Iterator[dict[str, Any]]:
        """Yield the messages of `[start, stop)`, in epoch milliseconds, in order.

        :param stream: ``sample10`` or ``sample10-likes``.
        :param per_minute: the number of messages in all partitions.
        """
        write = self._post if stream == "sample10" else self._like_or_unlike
        for ordinal in range(start // DAY_MS, -(-stop // DAY_MS)):
            day = Day(ordinal * DAY_MS, hash64(self._seed, stream, ordinal), per_minute * MINUTES_PER_DAY)
            for index in range(day.count_before(start), day.count_before(stop)):
                if index % len(PARTITIONS) + 1 in partitions:
                    yield write(day, index)

    def _post(self, day: Day, index: int) -> dict[str, Any]:
        post = self._posts.post(day, index, None, edit_metadata=True)
        del post["matching_rules"]
        post["timestamp_ms"] = str(day.published_ms(index))
        return post

    def _like_or_unlike(self, day: Day, index: int) -> dict[str, Any]:
        post, time_ms = self._post(day, index), day.published_ms(index)
        user = self._posts.user(splitmix64(day.seed, ~index))
        if index % LIKES_PER_UNLIKE == 0:
            favorite = {"tweet_id": post["id"], "tweet_id_str": post["id_str"]}
            favorite |= {"user_id": user["id"], "user_id_str": user["id_str"]}
            return {"delete": {"favorite": favorite, "timestamp_ms": str(time_ms)}}
        return {
            "id": f"{hash64(day.seed, 'like', index):016x}{post_id_of(day, index):016x}",
            "created_at": created_at(time_ms),
            "timestamp_ms": time_ms,
            "favorited_status": post,
            "user": user,
        }


def key_of(message: dict[str, Any]) -> str:
    """Return what identifies a message."""
    if "delete" in message:
        favorite = message["delete"]["favorite"]
        return f"{favorite['tweet_id']}:{favorite['user_id']}:{message['delete']['timestamp_ms']}"
    return str(message["id"])
