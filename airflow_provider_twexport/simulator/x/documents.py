"""Posts in the enriched native format, as varied as real ones."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.simulator.prng import hash64, splitmix64
from airflow_provider_twexport.simulator.texts import LANGUAGES, text

if TYPE_CHECKING:
    from airflow_provider_twexport.simulator.day import Day

# X counts the time in its ids from here
X_EPOCH_MS = 1_288_834_974_657
EDITS_SINCE_MS = 1_664_409_600_000
TEMPLATES = 200
SOURCE = '<a href="http://twitter.com/download/iphone" rel="nofollow">Twitter for iPhone</a>'
PLACE = {
    "id": "01fbe706f872cb32",
    "url": "https://api.twitter.com/1.1/geo/id/01fbe706f872cb32.json",
    "place_type": "city",
    "name": "Santiago",
    "full_name": "Santiago, Chile",
    "country_code": "CL",
    "country": "Chile",
    "bounding_box": {
        "type": "Polygon",
        "coordinates": [[[-70.8, -33.6], [-70.8, -33.3], [-70.5, -33.3], [-70.5, -33.6]]],
    },
    "attributes": {},
}


class Posts:
    """Posts, each the same for the same day and index."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(hash64(seed, "posts"))
        self._templates = [_template(rng, number) for number in range(TEMPLATES)]

    def post(self, day: Day, index: int, tag: str | None, *, edit_metadata: bool) -> dict[str, Any]:
        """Return one post as the service delivers it."""
        bits, published = splitmix64(day.seed, index), day.published_ms(index)
        post_id = str(post_id_of(day, index))
        post = {
            "created_at": created_at(published),
            "id": int(post_id),
            "id_str": post_id,
            **self._templates[(bits >> 20) % TEMPLATES],
            "quote_count": bits & 7,
            "reply_count": bits >> 3 & 15,
            "retweet_count": bits >> 7 & 255,
            "favorite_count": bits >> 15 & 1023,
            "matching_rules": [{"tag": tag}],
        }
        if edit_metadata and published >= EDITS_SINCE_MS:
            post["edit_history"] = {"initial_tweet_id": post_id, "edit_tweet_ids": [post_id]}
            post["edit_controls"] = {"editable_until_ms": published + 3_600_000, "edits_remaining": 5}
            post["editable"] = True
        return post

    def user(self, bits: int) -> dict[str, Any]:
        """Return the user that belongs to some random bits."""
        user: dict[str, Any] = self._templates[bits % TEMPLATES]["user"]
        return {**user, "id": bits >> 3, "id_str": str(bits >> 3)}


def post_id_of(day: Day, index: int) -> int:
    """Return the id of a post; above 2 to the 53 since 2012."""
    return max(1, day.published_ms(index) - X_EPOCH_MS) << 22 | splitmix64(day.seed, index) & 0x3FFFFF


def created_at(time_ms: int) -> str:
    """Write a time, in epoch milliseconds, as posts do."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%a %b %d %H:%M:%S +0000 %Y")


def halved_pair(post: bytes) -> bytes:
    """Return a post whose text begins with half of a surrogate pair, as X has sent: valid JSON, and no valid text."""
    return post.replace(b'"text":"', b'"text":"\\ud83d ', 1)


def _template(rng: random.Random, number: int) -> dict[str, Any]:
    lang = rng.choice(LANGUAGES)
    long = text(rng, lang, 250) if number % 6 == 0 else None
    post: dict[str, Any] = {
        "text": f"{long[:120]}… https://t.co/abcdefghij" if long else text(rng, lang, 80),
        "source": SOURCE,
        "truncated": long is not None,
        "in_reply_to_status_id": None,
        "in_reply_to_status_id_str": None,
        "in_reply_to_user_id": None,
        "in_reply_to_user_id_str": None,
        "in_reply_to_screen_name": None,
        "user": _user(rng, lang),
        "geo": None,
        "coordinates": {"type": "Point", "coordinates": [-70.64, -33]} if number % 10 == 3 else None,
        "place": PLACE if number % 10 == 3 else None,
        "contributors": None,
        "is_quote_status": False,
        "entities": _entities(),
        "favorited": False,
        "retweeted": False,
        "filter_level": "low",
        "lang": "und" if number % 25 == 4 else lang,
    }
    if long:
        post["extended_tweet"] = {
            "full_text": long,
            "display_text_range": [0, len(long)],
            "entities": _entities(),
        }
    if number % 4 == 1:
        post["retweeted_status"] = _retweeted(rng, lang)
    if number % 7 == 2:
        post["possibly_sensitive"] = False
    return post


def _user(rng: random.Random, lang: str) -> dict[str, Any]:
    user_id = rng.getrandbits(61 if rng.random() < 0.5 else 31)
    return {
        "id": user_id,
        "id_str": str(user_id),
        "name": text(rng, lang, 12),
        "screen_name": f"demo_{user_id % 100_000}",
        "location": rng.choice(["Santiago", "", None]),
        "url": None,
        "description": rng.choice([text(rng, lang, 60), None]),
        "translator_type": "none",
        "derived": {"locations": [{"country": "Chile", "country_code": "CL", "locality": "Santiago"}]},
        "protected": False,
        "verified": rng.random() < 0.1,
        "followers_count": rng.randrange(100_000),
        "friends_count": rng.randrange(5_000),
        "listed_count": rng.randrange(100),
        "favourites_count": rng.randrange(20_000),
        "statuses_count": rng.randrange(50_000),
        "created_at": "Sat Dec 14 04:35:55 +0000 2013",
        "lang": None,
    }


def _entities() -> dict[str, Any]:
    url = {
        "url": "https://t.co/abcdefghij",
        "expanded_url": "https://example.com/a?b=c",
        "display_url": "example.com/a",
        "unwound": {"url": "https://example.com/a", "status": 200, "title": None, "description": None},
        "indices": [10, 33],
    }
    mention = {"screen_name": "demo", "name": "Demo", "id": 7, "id_str": "7", "indices": [0, 5]}
    return {
        "hashtags": [{"text": "café", "indices": [3, 8]}],
        "urls": [url],
        "user_mentions": [mention],
        "symbols": [],
    }


def _retweeted(rng: random.Random, lang: str) -> dict[str, Any]:
    post_id = rng.getrandbits(60)
    return {
        "created_at": "Tue Oct 30 21:30:25 +0000 2018",
        "id": post_id,
        "id_str": str(post_id),
        "text": text(rng, lang, 80),
        "user": _user(rng, lang),
        "entities": _entities(),
        "lang": lang,
    }
