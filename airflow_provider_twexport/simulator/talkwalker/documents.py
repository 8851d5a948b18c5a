"""The bytes of a result: the same for the same result and export, made when they are wanted."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_twexport.simulator.prng import mixed, number
from airflow_provider_twexport.simulator.talkwalker.corpus import PROJECTS
from airflow_provider_twexport.simulator.texts import LANGUAGES, snippet, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_twexport.simulator.talkwalker.corpus import Scope
    from airflow_provider_twexport.simulator.talkwalker.jobs import Delivery


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


def hole(name: str) -> str:
    """Mark a place that each result fills by itself."""
    return f"@{name}@"


def build_templates(seed: int) -> list[tuple[bytes, bytes]]:
    """Pairs of a whole line and of the snippets that go with a match of a project."""
    chance = random.Random(number(seed, "templates"))
    return [_build(chance, place) for place in range(TEMPLATES)]


def _build(chance: random.Random, place: int) -> tuple[bytes, bytes]:
    lang = chance.choice(LANGUAGES)
    if place % 5 == 0:
        return _line(_tweet(chance, lang)), b""
    snippets = {"title_snippet": snippet(chance, lang, 60), "content_snippet": snippet(chance, lang, 200)}
    return _line(_page(chance, lang, _length(chance, place))), msgspec.json.encode(snippets)[1:-1] + b","


def _length(chance: random.Random, place: int) -> int:
    if place % 100 == 1:
        return chance.randrange(12_000, 24_000)
    return int(chance.triangular(80, 1100, 350))


def _line(document: dict[str, Any]) -> bytes:
    """Compact JSON in which % formatting fills the holes."""
    line = LINE_START + b'{"data":' + msgspec.json.encode(document) + b"@highlights@}" + LINE_END
    line = line.replace(b"%", b"%%")
    for name in NUMBERS:
        line = line.replace(f'"@{name}@"'.encode(), f"%({name})d".encode())
    return re.sub(rb"@([a-z_]+)@", rb"%(\1)b", line)


def _tweet(chance: random.Random, lang: str) -> dict[str, Any]:
    """Build an X result: ids and judgements, no url, no text, no date."""
    document = {
        "indexed": hole("indexed"),
        "search_indexed": hole("search_indexed"),
        "lang": lang,
        "fluency_level": chance.randrange(101),
        "sentiment": chance.choice((-5, 0, 5, 0.0)),
        "source_type": ["SOCIALMEDIA", "SOCIALMEDIA_TWITTER"],
        "post_type": ["TEXT"],
        "external_provider": "twitter",
        "external_id": hole("external_id"),
        "external_author_id": hole("external_author_id"),
        "matched": {"task_id": hole("task_id")},
    }
    extras = {
        "reach": hole("reach"),
        "engagement": hole("engagement"),
        "porn_level": 0,
        "tags_internal": ["isReply"],
        "extra_source_attributes": {"world_data": _world(chance), "name": "twitter.com"},
        "noise_level": chance.randrange(101),
    }
    return {**document, **_some(chance, extras, 0.5)}


def _page(chance: random.Random, lang: str, length: int) -> dict[str, Any]:
    """Build a news article, blog post, forum post, video or review."""
    family = chance.choice(tuple(FAMILIES))
    host = f"{family.lower()}{chance.randrange(40)}.example.com"
    document = {
        "url": f"https://{host}/{hole('uid')}.html",
        "indexed": hole("indexed"),
        "search_indexed": hole("search_indexed"),
        **_published(chance),
        "lang": lang,
        "sentiment": chance.choice((-5, 0, 5, 5.0)),
        "source_type": [family, chance.choice(FAMILIES[family])],
        "post_type": ["TEXT", "IMAGE"] if chance.random() < 0.4 else ["TEXT"],
        "fluency_level": chance.randrange(101),
        "matched": {"task_id": hole("task_id")},
    }
    extras = {
        **_words(chance, lang, length),
        **_addresses(host),
        **_judgements(chance),
        **_lists(chance, lang),
    }
    return _drift(chance, {**document, **_some(chance, {**extras, **_structs(chance, host)}, 0.85)})


def _published(chance: random.Random) -> dict[str, Any]:
    draw = chance.random()
    if draw < 0.03:
        return {}
    return {"published": chance.choice((0, -1)) if draw < 0.07 else hole("published")}


def _words(chance: random.Random, lang: str, length: int) -> dict[str, Any]:
    return {
        "title": text(chance, lang, chance.randrange(20, 120)),
        "content": text(chance, lang, length),
        "title_snippet": snippet(chance, lang, 60),
        "content_snippet": snippet(chance, lang, 200),
        "word_count": length // 6,
    }


def _addresses(host: str) -> dict[str, Any]:
    return {
        "root_url": f"https://{host}/",
        "domain_url": "http://example.com/",
        "host_url": f"http://{host}/",
        "parent_url": f"https://{host}/{hole('uid')}.html",
        "cluster_id": f"https://{host}/cluster/{hole('uid')}",
    }


def _judgements(chance: random.Random) -> dict[str, Any]:
    return {
        "porn_level": 0,
        "DEPRECATED_spam_level": chance.randrange(101),
        "noise_level": chance.randrange(101),
        "noise_category": chance.choice(("promotions", "job_offers", "financial_news")),
        "reach": hole("reach"),
        "engagement": hole("engagement"),
        "trending_score": chance.randrange(1000),
        "docscore": {"test_score": chance.choice((1, 0.25))},
    }


def _lists(chance: random.Random, lang: str) -> dict[str, Any]:
    tokens = text(chance, lang, 80).split()
    return {
        "tags_internal": ["containsImage", "hasImage"],
        "tags_customer": ["Campaign / spring", "Campaign / spring"],
        "tokens_title": tokens[:4],
        "tokens_content": tokens,
        "tokens_hashtag": [f"#{tokens[0]}"],
        "images": [{"url": f"https://img.example.com/{hole('uid')}.jpg", "width": 600, "height": 338}],
        "videos": [{"url": f"https://video.example.com/{hole('uid')}", "legend": text(chance, lang, 20)}],
        "entity_url": [
            {"url": "9News.example"},
            {"url": "https://e.example/1", "resolved_url": "https://e.example/2"},
        ],
        "customer_entities": [{"type": "branch", "id": ["9007199254740993"]}],
    }


def _structs(chance: random.Random, host: str) -> dict[str, Any]:
    return {
        "article_extended_attributes": {
            "twitter_shares": 2,
            "num_comments": chance.randrange(90),
            "url_views": 5.0,
        },
        "source_extended_attributes": {"alexa_pageviews": 0, "semrush_pageviews": 751082, "ave": 12.75},
        "extra_author_attributes": {"id": f"ex:{host}-1", "name": "A. Writer", "gender": "UNKNOWN"},
        "extra_source_attributes": {"world_data": _world(chance), "id": f"ex:{host}", "name": host},
    }


def _world(chance: random.Random) -> dict[str, Any]:
    continent, country, code, longitude, latitude = chance.choice(PLACES)
    known = {"region": country, "city": country, "longitude": longitude, "latitude": latitude}
    return {
        "continent": continent,
        "country": country,
        "country_code": code,
        **known,
        "resolution": "COUNTRY",
    }


def _some(chance: random.Random, fields: dict[str, Any], share: float) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if chance.random() < share}


def _drift(chance: random.Random, document: dict[str, Any]) -> dict[str, Any]:
    """Let some documents differ from the documentation, as some do."""
    for name in ("source_type", "post_type", "tags_customer", "images"):
        if name in document and chance.random() < 0.04:
            document[name] = document[name][0]
    if chance.random() < 0.05:
        document["word_count"] = str(document.get("word_count", 7))
    if chance.random() < 0.05:
        document["field_of_tomorrow"] = {"nested": [1, 2.5, None, {"deep": True}]}
    return document


X_EPOCH = 1_288_834_974_657


class Documents:
    """Fills templates with what makes a result this result."""

    def __init__(self, seed: int) -> None:
        self._templates = build_templates(seed)

    def lines(self, scope: Scope, delivery: Delivery, task_id: str, first: int, last: int) -> Iterator[bytes]:
        """Yield the CT_RESULT lines at places `[first, last)` of a delivery."""
        task, highlights = task_id.encode(), _highlights(scope)
        for day, index in delivery.results(first, last):
            draw = mixed(day.seed, index)
            moment = day.moment(index)
            template, snippets = self._templates[(draw >> 20) % len(self._templates)]
            yield template % {
                b"uid": b"%016x" % draw,
                b"published": moment,
                b"indexed": moment + 1000 + draw % 50_000,
                b"search_indexed": moment + 60_000 + draw % 9_000,
                b"external_id": b"%d" % (max(1, moment - X_EPOCH) << 22 | draw & 0x3FFFFF),
                b"external_author_id": b"%d" % (draw >> 2),
                b"engagement": draw & 0xFFF,
                b"reach": draw >> 35,
                b"task_id": task,
                b"highlights": highlights[index % 10] % snippets if highlights else b"",
            }


def data(line: bytes) -> bytes:
    """Cut out the value of `chunk_result.data` in a line made here."""
    return line[len(LINE_START) : -len(LINE_END)]


def _highlights(scope: Scope) -> list[bytes]:
    """Write what a project's results say about the topics they match, by the last digit of their index."""
    if scope.kind != "project":
        return []
    topics = PROJECTS[scope.name].topics
    profiles = [
        [
            {"id": one.id, "title": one.title, "type": "search", "category": "default"}
            for one in topics
            if digit in one.digits
        ]
        for digit in range(10)
    ]
    return [
        b',"highlighted_data":[{%%b"matched":{"project_profiles":%b}}]' % msgspec.json.encode(each)
        for each in profiles
    ]
