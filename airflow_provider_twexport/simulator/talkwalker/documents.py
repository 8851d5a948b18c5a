"""The bytes of a result: the same for the same result and export, made on demand from a template.

There are a few hundred templates of all shapes, with placeholders where results differ. They vary as real payloads do:
fields missing, scalars where lists are documented, whole numbers as floats, `published` 0 or -1, X results that are
ids only.
"""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_twexport.simulator.prng import hash64, splitmix64
from airflow_provider_twexport.simulator.talkwalker.corpus import PROJECTS
from airflow_provider_twexport.simulator.texts import LANGUAGES, snippet, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airflow_provider_twexport.simulator.day import Day
    from airflow_provider_twexport.simulator.talkwalker.corpus import Scope


# X counts the time in its ids from here
X_EPOCH_MS = 1_288_834_974_657
TEMPLATES = 400
LINE_START = b'{"chunk_type":"CT_RESULT","chunk_result":{"data":'
LINE_END = b"}}\n"

FAMILIES = {
    "ONLINENEWS": ("ONLINENEWS_OTHER", "ONLINENEWS_NEWSPAPER", "ONLINENEWS_MAGAZINE", "ONLINENEWS_AGENCY"),
    "BLOG": ("BLOG_OTHER", "BLOG_PERSONAL"),
    "MESSAGEBOARD": ("MESSAGEBOARD_OTHER",),
    "SOCIALMEDIA": ("SOCIALMEDIA_YOUTUBE", "SOCIALMEDIA_TIKTOK"),
    "REVIEW": ("REVIEW_OTHER",),
}
PLACES = (
    ("Europe", "Luxembourg", "lu", 6.13, 49.61),
    ("South America", "Chile", "cl", -70.64, -33.46),
    ("Europe", "United Kingdom", "uk", -0.12, 51.5),
    ("Asia", "Japan", "jp", 139.69, 35.68),
    ("Africa", "Morocco", "ma", -6, 34),
)
NUMBERS = ("published", "indexed", "search_indexed", "engagement", "reach")


def placeholder(name: str) -> str:
    """Mark a place where results differ."""
    return f"@{name}@"


def build_templates(seed: int) -> list[tuple[bytes, bytes]]:
    """Return pairs of a whole line and of the snippets that a project adds."""
    rng = random.Random(hash64(seed, "templates"))
    return [_build(rng, number) for number in range(TEMPLATES)]


def _build(rng: random.Random, number: int) -> tuple[bytes, bytes]:
    lang = rng.choice(LANGUAGES)
    if number % 5 == 0:
        return _line(_tweet(rng, lang)), b""
    snippets = {"title_snippet": snippet(rng, lang, 60), "content_snippet": snippet(rng, lang, 200)}
    return _line(_page(rng, lang, _length(rng, number))), msgspec.json.encode(snippets)[1:-1] + b","


def _length(rng: random.Random, number: int) -> int:
    if number % 100 == 1:
        return rng.randrange(12_000, 24_000)
    return int(rng.triangular(80, 1100, 350))


def _line(document: dict[str, Any]) -> bytes:
    """Encode a document as a line in which % formatting fills the placeholders."""
    line = LINE_START + b'{"data":' + msgspec.json.encode(document) + b"@highlights@}" + LINE_END
    line = line.replace(b"%", b"%%")
    for name in NUMBERS:
        line = line.replace(f'"@{name}@"'.encode(), f"%({name})d".encode())
    return re.sub(rb"@([a-z_]+)@", rb"%(\1)b", line)


def _tweet(rng: random.Random, lang: str) -> dict[str, Any]:
    """Return an X result: ids and scores, no url, no text, no date."""
    document = {
        "indexed": placeholder("indexed"),
        "search_indexed": placeholder("search_indexed"),
        "lang": lang,
        "fluency_level": rng.randrange(101),
        "sentiment": rng.choice((-5, 0, 5, 0.0)),
        "source_type": ["SOCIALMEDIA", "SOCIALMEDIA_TWITTER"],
        "post_type": ["TEXT"],
        "external_provider": "twitter",
        "external_id": placeholder("external_id"),
        "external_author_id": placeholder("external_author_id"),
        "matched": {"task_id": placeholder("task_id")},
    }
    extras = {
        "reach": placeholder("reach"),
        "engagement": placeholder("engagement"),
        "porn_level": 0,
        "tags_internal": ["isReply"],
        "extra_source_attributes": {"world_data": _location(rng), "name": "twitter.com"},
        "noise_level": rng.randrange(101),
    }
    return {**document, **_some(rng, extras, 0.5)}


def _page(rng: random.Random, lang: str, length: int) -> dict[str, Any]:
    """Return a news article, blog post, forum post, video or review."""
    family = rng.choice(tuple(FAMILIES))
    host = f"{family.lower()}{rng.randrange(40)}.example.com"
    document = {
        "url": f"https://{host}/{placeholder('uid')}.html",
        "indexed": placeholder("indexed"),
        "search_indexed": placeholder("search_indexed"),
        **_published(rng),
        "lang": lang,
        "sentiment": rng.choice((-5, 0, 5, 5.0)),
        "source_type": [family, rng.choice(FAMILIES[family])],
        "post_type": ["TEXT", "IMAGE"] if rng.random() < 0.4 else ["TEXT"],
        "fluency_level": rng.randrange(101),
        "matched": {"task_id": placeholder("task_id")},
    }
    extras = {
        **_texts(rng, lang, length),
        **_urls(host),
        **_scores(rng),
        **_lists(rng, lang),
    }
    return _drifted(rng, {**document, **_some(rng, {**extras, **_structs(rng, host)}, 0.85)})


def _published(rng: random.Random) -> dict[str, Any]:
    draw = rng.random()
    if draw < 0.03:
        return {}
    return {"published": rng.choice((0, -1)) if draw < 0.07 else placeholder("published")}


def _texts(rng: random.Random, lang: str, length: int) -> dict[str, Any]:
    return {
        "title": text(rng, lang, rng.randrange(20, 120)),
        "content": text(rng, lang, length),
        "title_snippet": snippet(rng, lang, 60),
        "content_snippet": snippet(rng, lang, 200),
        "word_count": length // 6,
    }


def _urls(host: str) -> dict[str, Any]:
    return {
        "root_url": f"https://{host}/",
        "domain_url": "http://example.com/",
        "host_url": f"http://{host}/",
        "parent_url": f"https://{host}/{placeholder('uid')}.html",
        "cluster_id": f"https://{host}/cluster/{placeholder('uid')}",
    }


def _scores(rng: random.Random) -> dict[str, Any]:
    return {
        "porn_level": 0,
        "DEPRECATED_spam_level": rng.randrange(101),
        "noise_level": rng.randrange(101),
        "noise_category": rng.choice(("promotions", "job_offers", "financial_news")),
        "reach": placeholder("reach"),
        "engagement": placeholder("engagement"),
        "trending_score": rng.randrange(1000),
        "docscore": {"test_score": rng.choice((1, 0.25))},
    }


def _lists(rng: random.Random, lang: str) -> dict[str, Any]:
    tokens = text(rng, lang, 80).split()
    return {
        "tags_internal": ["containsImage", "hasImage"],
        "tags_customer": ["Campaign / spring", "Campaign / spring"],
        "tokens_title": tokens[:4],
        "tokens_content": tokens,
        "tokens_hashtag": [f"#{tokens[0]}"],
        "images": [{"url": f"https://img.example.com/{placeholder('uid')}.jpg", "width": 600, "height": 338}],
        "videos": [{"url": f"https://video.example.com/{placeholder('uid')}", "legend": text(rng, lang, 20)}],
        "entity_url": [
            {"url": "9News.example"},
            {"url": "https://e.example/1", "resolved_url": "https://e.example/2"},
        ],
        "customer_entities": [{"type": "branch", "id": ["9007199254740993"]}],
    }


def _structs(rng: random.Random, host: str) -> dict[str, Any]:
    return {
        "article_extended_attributes": {
            "twitter_shares": 2,
            "num_comments": rng.randrange(90),
            "url_views": 5.0,
        },
        "source_extended_attributes": {"alexa_pageviews": 0, "semrush_pageviews": 751082, "ave": 12.75},
        "extra_author_attributes": {"id": f"ex:{host}-1", "name": "A. Writer", "gender": "UNKNOWN"},
        "extra_source_attributes": {"world_data": _location(rng), "id": f"ex:{host}", "name": host},
    }


def _location(rng: random.Random) -> dict[str, Any]:
    continent, country, code, longitude, latitude = rng.choice(PLACES)
    details = {"region": country, "city": country, "longitude": longitude, "latitude": latitude}
    return {
        "continent": continent,
        "country": country,
        "country_code": code,
        **details,
        "resolution": "COUNTRY",
    }


def _some(rng: random.Random, fields: dict[str, Any], share: float) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if rng.random() < share}


def _drifted(rng: random.Random, document: dict[str, Any]) -> dict[str, Any]:
    """Let some documents differ from the documentation, as some real ones do."""
    for name in ("source_type", "post_type", "tags_customer", "images"):
        if name in document and rng.random() < 0.04:
            document[name] = document[name][0]
    if rng.random() < 0.05:
        document["word_count"] = str(document.get("word_count", 7))
    if rng.random() < 0.05:
        document["field_of_tomorrow"] = {"nested": [1, 2.5, None, {"deep": True}]}
    return document


class Documents:
    """Fills the templates with what makes a result unique."""

    def __init__(self, seed: int) -> None:
        self._templates = build_templates(seed)

    def lines(self, scope: Scope, results: Iterable[tuple[Day, int]], task_id: str) -> Iterator[bytes]:
        """Yield the CT_RESULT lines of results, each given by its day and its index within the day."""
        task, highlights = task_id.encode(), _highlights(scope)
        for day, index in results:
            bits, published = splitmix64(day.seed, index), day.published_ms(index)
            template, snippets = self._templates[(bits >> 20) % len(self._templates)]
            yield template % {
                b"uid": b"%016x" % bits,
                b"published": published,
                b"indexed": published + 1000 + bits % 50_000,
                b"search_indexed": published + 60_000 + bits % 9_000,
                b"external_id": b"%d" % (max(1, published - X_EPOCH_MS) << 22 | bits & 0x3FFFFF),
                b"external_author_id": b"%d" % (bits >> 2),
                b"engagement": bits & 0xFFF,
                b"reach": bits >> 35,
                b"task_id": task,
                b"highlights": highlights[index % 10] % snippets if highlights else b"",
            }


def data_of(line: bytes) -> bytes:
    """Return the value of `chunk_result.data` of a line made here."""
    return line[len(LINE_START) : -len(LINE_END)]


def _highlights(scope: Scope) -> list[bytes]:
    """Return the `highlighted_data` of a project's results, by the last digit of their index."""
    if scope.kind != "project":
        return []
    topics = PROJECTS[scope.name].topics
    profiles = [
        [
            {"id": topic.id, "title": topic.title, "type": "search", "category": "default"}
            for topic in topics
            if digit in topic.digits
        ]
        for digit in range(10)
    ]
    return [
        b',"highlighted_data":[{%%b"matched":{"project_profiles":%b}}]' % msgspec.json.encode(profile)
        for profile in profiles
    ]
