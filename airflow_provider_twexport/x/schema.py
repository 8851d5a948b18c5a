"""The typed columns of a post in enriched native format, of a like or unlike, and of a count.

Vendor pages "Enterprise Search APIs", "data enrichments", "edit Tweets". Ids are strings: not every reader keeps
integers above 2 to the 53.
"""

from __future__ import annotations

from airflow_provider_twexport.core.schema import Column, Schema

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
_URL = {"url": "string", "expanded_url": "string"}
_MENTION = {"id_str": "string", "screen_name": "string", "name": "string"}
_PLACE = {
    "id": "string",
    "place_type": "string",
    "name": "string",
    "full_name": "string",
    "country_code": "string",
    "country": "string",
}
_CREATED_AT = "timestamp<%a %b %d %H:%M:%S +0000 %Y>"

POSTS = Schema(
    "x_posts",
    1,
    (
        Column("id", "string", "id_str"),
        Column("created_at", _CREATED_AT, "created_at"),
        Column("text", "string", "text", "cut off where `full_text` is not null"),
        Column("full_text", "string", "extended_tweet.full_text"),
        Column("lang", "string", "lang", "`und`: unknown"),
        Column("source", "string", "source", "HTML"),
        Column("user", _USER, "user", "as of the time of the search"),
        Column("in_reply_to_status_id", "string", "in_reply_to_status_id_str"),
        Column("in_reply_to_user_id", "string", "in_reply_to_user_id_str"),
        Column("retweeted_status_id", "string", "retweeted_status.id_str"),
        Column("quoted_status_id", "string", "quoted_status_id_str"),
        Column("quote_count", "int64", "quote_count", "counts as of the time of the search"),
        Column("reply_count", "int64", "reply_count"),
        Column("retweet_count", "int64", "retweet_count"),
        Column("favorite_count", "int64", "favorite_count"),
        Column("hashtags", ["string"], "entities.hashtags[].text"),
        Column("urls", [_URL], "entities.urls"),
        Column("user_mentions", [_MENTION], "entities.user_mentions"),
        Column("symbols", ["string"], "entities.symbols[].text"),
        Column("place", _PLACE, "place"),
        Column("longitude_latitude", ["double"], "coordinates.coordinates"),
        Column("edit_tweet_ids", ["string"], "edit_history.edit_tweet_ids", "since 2022-09-29; oldest first"),
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
