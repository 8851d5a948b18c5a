"""The typed columns of a Talkwalker result.

Vendor page "talkwalker documents"; fields undocumented there as observed in captured traffic.
"""

from __future__ import annotations

from airflow_provider_twexport.core.schema import Column, Schema

_STRINGS = ["string"]
_PLACE = {
    "continent": "string",
    "country": "string",
    "region": "string",
    "city": "string",
    "longitude": "double",
    "latitude": "double",
    "country_code": "string",
    "resolution": "string",
}
_AUTHOR = {
    "id": "string",
    "name": "string",
    "gender": "string",
    "type": "string",
    "short_name": "string",
    "url": "string",
    "image_url": "string",
    "world_data": _PLACE,
}
_SOURCE = {"id": "string", "name": "string", "url": "string", "world_data": _PLACE}
_PICTURE = {"url": "string", "legend": "string", "width": "int64", "height": "int64"}
_TOPIC = {"id": "string", "title": "string", "category": "string", "type": "string"}

_COLUMNS = (
    Column("url", "string", "data.url", "absent on X"),
    Column("external_id", "string", "data.external_id", "X only"),
    Column("external_author_id", "string", "data.external_author_id", "X only"),
    Column("external_provider", "string", "data.external_provider", "X only"),
    Column("published", "timestamp", "data.published", "absent on X; 0 and -1 are null"),
    Column("indexed", "timestamp", "data.indexed", "0 and -1 are null"),
    Column("search_indexed", "timestamp", "data.search_indexed", "0 and -1 are null"),
    Column("title", "string", "data.title"),
    Column("content", "string", "data.content"),
    Column("title_snippet", "string", "data.title_snippet", "with `<b>` and HTML entities"),
    Column("content_snippet", "string", "data.content_snippet", "with `<b>` and HTML entities"),
    Column("root_url", "string", "data.root_url"),
    Column("domain_url", "string", "data.domain_url"),
    Column("host_url", "string", "data.host_url"),
    Column("parent_url", "string", "data.parent_url"),
    Column("lang", "string", "data.lang"),
    Column("sentiment", "int64", "data.sentiment", "-5 to 5"),
    Column("porn_level", "int64", "data.porn_level", "0 to 100"),
    Column("fluency_level", "int64", "data.fluency_level", "0 to 100"),
    Column("noise_level", "int64", "data.noise_level", "0 to 100"),
    Column("spam_level", "int64", "data.DEPRECATED_spam_level"),
    Column("noise_category", "string", "data.noise_category"),
    Column("reach", "int64", "data.reach"),
    Column("engagement", "int64", "data.engagement"),
    Column("rating", "int64", "data.rating", "0 to 10"),
    Column("fakenews_level", "int64", "data.fakenews_level", "0 to 100"),
    Column("provider", "string", "data.provider"),
    Column("meta_cluster_id", "string", "data.meta_cluster_id"),
    Column("cluster_id", "string", "data.cluster_id", "a URL"),
    Column("trending_score", "int64", "data.trending_score"),
    Column("user_response_time", "int64", "data.user_response_time"),
    Column("word_count", "int64", "data.word_count"),
    Column("source_type", _STRINGS, "data.source_type", "usually family and detail"),
    Column("post_type", _STRINGS, "data.post_type"),
    Column("tags_internal", _STRINGS, "data.tags_internal"),
    Column("tags_marking", _STRINGS, "data.tags_marking"),
    Column("tags_customer", _STRINGS, "data.tags_customer"),
    Column("tokens_title", _STRINGS, "data.tokens_title"),
    Column("tokens_content", _STRINGS, "data.tokens_content"),
    Column("tokens_mention", _STRINGS, "data.tokens_mention"),
    Column("tokens_hashtag", _STRINGS, "data.tokens_hashtag"),
    Column("matched_profile", _STRINGS, "data.matched_profile", "ids of topics"),
    Column("appearance", "string", "data.matched.appearance", "NEW or UPDATED; live reads"),
    Column("task_id", "string", "data.matched.task_id", "the export"),
    Column("images", [_PICTURE], "data.images"),
    Column("videos", [_PICTURE], "data.videos"),
    Column("entity_url", [{"url": "string", "resolved_url": "string"}], "data.entity_url"),
    Column("customer_entities", [{"type": "string", "id": _STRINGS}], "data.customer_entities"),
    Column("article_metrics", "map<int64>", "data.article_extended_attributes", "an open set"),
    Column("source_metrics", "map<double>", "data.source_extended_attributes", "an open set"),
    Column("docscore", "map<double>", "data.docscore", "undocumented"),
    Column("author", _AUTHOR, "data.extra_author_attributes"),
    Column(
        "source", _SOURCE, "data.extra_source_attributes", "`country_code` is the vendor's: `uk`, not `gb`"
    ),
    Column("article", _AUTHOR, "data.extra_article_attributes"),
    Column("topics", [_TOPIC], "highlighted_data[].matched.project_profiles[]", "of a project"),
    Column("highlights", [{"title_snippet": "string", "content_snippet": "string"}], "highlighted_data"),
)

SCHEMA = Schema("talkwalker", 1, _COLUMNS)
