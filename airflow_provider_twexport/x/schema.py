"""The typed columns of a post in enriched native format, of a like or unlike, and of a count.

Vendor pages "Enterprise Search APIs", "data enrichments", "edit Tweets". Ids are strings: not every reader keeps
integers above 2 to the 53.
"""

from __future__ import annotations

from airflow_provider_twexport.core.schema import Column, Schema

_LOCATION = {
    "country": "string",
    "country_code": "string",
    "region": "string",
    "sub_region": "string",
    "locality": "string",
    "full_name": "string",
    "geo": {"type": "string", "coordinates": ["double"]},
}
_USER = {
    "id_str": "string",
    "screen_name": "string",
    "name": "string",
    "location": "string",
    "description": "string",
    "url": "string",
    "followers_count": "int64",
    "friends_count": "int64",
    "listed_count": "int64",
    "favourites_count": "int64",
    "statuses_count": "int64",
    "created_at": "string",
}
_POSTING_USER = _USER | {"derived": {"locations": [_LOCATION]}}
_UNWOUND = {"url": "string", "status": "int64", "title": "string", "description": "string"}
_URL = {"url": "string", "expanded_url": "string", "display_url": "string", "unwound": _UNWOUND}
_MENTION = {"id_str": "string", "screen_name": "string", "name": "string"}
_MEDIA = {
    "id_str": "string",
    "type": "string",
    "media_url_https": "string",
    "expanded_url": "string",
    "url": "string",
    "video_info": {
        "duration_millis": "int64",
        "variants": [{"bitrate": "int64", "content_type": "string", "url": "string"}],
    },
}
_PLACE = {
    "id": "string",
    "place_type": "string",
    "name": "string",
    "full_name": "string",
    "country_code": "string",
    "country": "string",
}
_EDITS = {"initial_tweet_id": "string", "edit_tweet_ids": ["string"]}
_CREATED_AT = "timestamp<%a %b %d %H:%M:%S +0000 %Y>"


def _whole(*of: str) -> tuple[Column, ...]:
    """Return the columns of a post's text, and of what is in it, from the whole text and not from the shortened one.

    :param of: where the post is, with a full stop at the end; the first one that is there counts.
    """
    text = [f"{post}{name}" for post in of for name in ("extended_tweet.full_text", "full_text", "text")]
    entities = [f"{post}{name}entities" for post in of for name in ("extended_tweet.", "")]
    media = [
        f"{post}{name}.media"
        for post in of
        for name in (
            "extended_tweet.extended_entities",
            "extended_tweet.entities",
            "extended_entities",
            "entities",
        )
    ]

    def within(name: str) -> str:
        return " | ".join(f"{place}.{name}" for place in entities)

    return (
        Column("text", "string", " | ".join(text), "whole; of a retweet, that of the retweeted post"),
        Column("hashtags", ["string"], within("hashtags[].text"), "of the whole text, as all that follow"),
        Column("urls", [_URL], within("urls"), "`unwound`: where the address leads in the end"),
        Column("user_mentions", [_MENTION], within("user_mentions")),
        Column("symbols", ["string"], within("symbols[].text")),
        Column("media", [_MEDIA], " | ".join(media), "all of them"),
    )


_COUNTS = (
    Column("quote_count", "int64", "quote_count", "counts as of the time of the search"),
    Column("reply_count", "int64", "reply_count"),
    Column("retweet_count", "int64", "retweet_count"),
    Column("favorite_count", "int64", "favorite_count"),
)
_OTHER_POST = (
    Column("id", "string", "id_str"),
    Column("created_at", _CREATED_AT, "created_at"),
    Column("lang", "string", "lang"),
    Column("user", _POSTING_USER, "user"),
    *_whole(""),
    *_COUNTS,
)
POSTS = Schema(
    "x_posts",
    2,
    (
        Column("id", "string", "id_str"),
        Column("created_at", _CREATED_AT, "created_at"),
        Column("lang", "string", "lang", "`und`: unknown"),
        Column("source", "string", "source", "HTML"),
        Column("user", _POSTING_USER, "user", "as of the time of the search"),
        *_whole("retweeted_status.", ""),
        Column("in_reply_to_status_id", "string", "in_reply_to_status_id_str"),
        Column("in_reply_to_user_id", "string", "in_reply_to_user_id_str"),
        Column("retweeted_status_id", "string", "retweeted_status.id_str"),
        Column("retweeted", _OTHER_POST, "retweeted_status", "with its whole text"),
        Column("quoted_status_id", "string", "quoted_status_id_str | retweeted_status.quoted_status_id_str"),
        Column("quoted", _OTHER_POST, "quoted_status | retweeted_status.quoted_status", "likewise"),
        *_COUNTS,
        Column("place", _PLACE, "place"),
        Column("longitude_latitude", ["double"], "coordinates.coordinates"),
        Column("edit_history", _EDITS, "edit_history", "since 2022-09-29; ids oldest first"),
        Column("editable_until_ms", "int64", "edit_controls.editable_until_ms", "epoch milliseconds"),
        Column("withheld_in_countries", ["string"], "withheld_in_countries", "codes of two letters"),
        Column("matching_tags", ["string"], "matching_rules[].tag", "of the search"),
    ),
)
_POST = {
    "id_str": "string",
    "created_at": "string",
    "text": "string",
    "lang": "string",
    "user": {"id_str": "string", "screen_name": "string", "followers_count": "int64"},
}
LIKES = Schema(
    "x_likes",
    1,
    (
        Column("id", "string", "id", "of a like; null: an unlike"),
        Column("created_at", "timestamp", "timestamp_ms", "of a like"),
        Column("post_id", "string", "favorited_status.id_str", "what is liked"),
        Column("post", _POST, "favorited_status"),
        Column("user", _USER, "user", "who likes it"),
        Column("unliked_post_id", "string", "delete.favorite.tweet_id_str", "of an unlike; null: a like"),
        Column("unliked_by_user_id", "string", "delete.favorite.user_id_str", "who liked it before"),
        Column("unliked_at_ms", "string", "delete.timestamp_ms", "epoch milliseconds"),
    ),
)
COUNTS = Schema(
    "x_counts",
    1,
    (
        Column("period", "timestamp<%Y%m%d%H%M>", "timePeriod", "the bucket's first moment"),
        Column("count", "int64", "count"),
    ),
)

# of the messages of each stream
SCHEMAS = {"decahose": POSTS, "likes": LIKES}
