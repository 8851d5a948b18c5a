"""The posts: enriched native format, as varied as real ones."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.simulator.prng import mixed, number
from airflow_provider_twexport.simulator.texts import LANGUAGES, text

if TYPE_CHECKING:
    from airflow_provider_twexport.simulator.day import Day

X_EPOCH = 1_288_834_974_657
EDITS_SINCE = 1_664_409_600_000
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
    """Makes posts: the same for the same place in the corpus."""

    def __init__(self, seed: int) -> None:
        chance = random.Random(number(seed, "posts"))
        self._templates = [_template(chance, place) for place in range(TEMPLATES)]

    def post(self, day: Day, index: int, tag: str | None, *, edit_metadata: bool) -> dict[str, Any]:
        """Return one post as the service would deliver it."""
        draw, moment = mixed(day.seed, index), day.moment(index)
        post_id = str(post_id_of(day, index))
        post = {
            "created_at": created_at(moment),
            "id": int(post_id),
            "id_str": post_id,
            **self._templates[(draw >> 20) % TEMPLATES],
            "quote_count": draw & 7,
            "reply_count": draw >> 3 & 15,
            "retweet_count": draw >> 7 & 255,
            "favorite_count": draw >> 15 & 1023,
            "matching_rules": [{"tag": tag}],
        }
        if edit_metadata and moment >= EDITS_SINCE:
            post["edit_history"] = {"initial_tweet_id": post_id, "edit_tweet_ids": [post_id]}
            post["edit_controls"] = {"editable_until_ms": moment + 3_600_000, "edits_remaining": 5}
            post["editable"] = True
        return post

    def liker(self, draw: int) -> dict[str, Any]:
        """Return somebody who likes a post."""
        user: dict[str, Any] = self._templates[draw % TEMPLATES]["user"]
        return {**user, "id": draw >> 3, "id_str": str(draw >> 3)}


def post_id_of(day: Day, index: int) -> int:
    """Return the id of a post; beyond 2 to the 53 since 2012."""
    return max(1, day.moment(index) - X_EPOCH) << 22 | mixed(day.seed, index) & 0x3FFFFF


def _template(chance: random.Random, place: int) -> dict[str, Any]:
    lang = chance.choice(LANGUAGES)
    long = text(chance, lang, 250) if place % 6 == 0 else None
    post: dict[str, Any] = {
        "text": f"{long[:120]}… https://t.co/abcdefghij" if long else text(chance, lang, 80),
        "source": SOURCE,
        "truncated": long is not None,
        "in_reply_to_status_id": None,
        "in_reply_to_status_id_str": None,
        "in_reply_to_user_id": None,
        "in_reply_to_user_id_str": None,
        "in_reply_to_screen_name": None,
        "user": _user(chance, lang),
        "geo": None,
        "coordinates": {"type": "Point", "coordinates": [-70.64, -33]} if place % 10 == 3 else None,
        "place": PLACE if place % 10 == 3 else None,
        "contributors": None,
        "is_quote_status": False,
        "entities": _entities(),
        "favorited": False,
        "retweeted": False,
        "filter_level": "low",
        "lang": "und" if place % 25 == 4 else lang,
    }
    if long:
        post["extended_tweet"] = {
            "full_text": long,
            "display_text_range": [0, len(long)],
            "entities": _entities(),
        }
    if place % 4 == 1:
        post["retweeted_status"] = _retweeted(chance, lang)
    if place % 7 == 2:
        post["possibly_sensitive"] = False
    return post


def _user(chance: random.Random, lang: str) -> dict[str, Any]:
    user_id = chance.getrandbits(61 if chance.random() < 0.5 else 31)
    return {
        "id": user_id,
        "id_str": str(user_id),
        "name": text(chance, lang, 12),
        "screen_name": f"demo_{user_id % 100_000}",
        "location": chance.choice(["Santiago", "", None]),
        "url": None,
        "description": chance.choice([text(chance, lang, 60), None]),
        "translator_type": "none",
        "derived": {"locations": [{"country": "Chile", "country_code": "CL", "locality": "Santiago"}]},
        "protected": False,
        "verified": chance.random() < 0.1,
        "followers_count": chance.randrange(100_000),
        "friends_count": chance.randrange(5_000),
        "listed_count": chance.randrange(100),
        "favourites_count": chance.randrange(20_000),
        "statuses_count": chance.randrange(50_000),
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


def _retweeted(chance: random.Random, lang: str) -> dict[str, Any]:
    post_id = chance.getrandbits(60)
    return {
        "created_at": "Tue Oct 30 21:30:25 +0000 2018",
        "id": post_id,
        "id_str": str(post_id),
        "text": text(chance, lang, 80),
        "user": _user(chance, lang),
        "entities": _entities(),
        "lang": lang,
    }


def created_at(moment: int) -> str:
    """Write a moment, in epoch milliseconds, as posts do."""
    return datetime.fromtimestamp(moment / 1000, UTC).strftime("%a %b %d %H:%M:%S +0000 %Y")
