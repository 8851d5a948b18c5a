"""A collector's body: made-up results of 2.5 to 4 kB, with emoji and several scripts, a control every 100.

``python -m benchmarks.corpus FILE COUNT`` writes one.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

DISTINCT = 50_000
MIN_TEXT_BYTES, MAX_TEXT_BYTES = 1_000, 1_800
EXPORT_ID = "00000000-0000-4000-8000-000000000001"
COLLECTOR_ID = "bench"
ALPHABETS = (
    "abcdefghijklmnopqrstuvwxyz",
    "aábcdeéfghiíjklmnñoópqrstuúvxyz",
    "абвгдежзиклмнопрстуфхцчшщыэюя",
    "あいうえおかきくけこさしすせそ銀行市場天気予報",
    "ابتثجحخدذرزسشصضطظعغفقكلمنهوي",
    "אבגדהוזחטיכלמנסעפצקרשת",
)
EMOJI = ("🍵", "☕", "📈", "🎉", "👩\u200d💻", "❤️")


def documents(count: int) -> Iterator[bytes]:
    """Yield distinct documents; their texts repeat only after so many documents that no compressor remembers them."""
    written = []
    for document in _documents(min(count, DISTINCT)):
        written.append(document)
        yield document
    for number in range(DISTINCT, count):
        earlier = number % DISTINCT
        yield written[earlier].replace(_name(earlier), _name(number))


def _name(number: int) -> bytes:
    return b"n%07d" % number


def _documents(count: int, seed: int = 1) -> Iterator[bytes]:
    chance = random.Random(seed)
    vocabularies = [_vocabulary(alphabet, chance) for alphabet in ALPHABETS]
    for number in range(count):
        # most texts are in Latin letters, as in reality
        words = chance.choices(vocabularies, weights=(8, 4, 1, 1, 1, 1))[0]
        text = " ".join(chance.choices(words, k=MAX_TEXT_BYTES // 4))
        text = text.encode()[: chance.randint(MIN_TEXT_BYTES, MAX_TEXT_BYTES)].decode(errors="ignore")
        yield json.dumps(_document(number, chance, text), ensure_ascii=False, separators=(",", ":")).encode()


def _vocabulary(alphabet: str, chance: random.Random) -> list[str]:
    """Return words with the frequencies of a natural language."""
    words = ["".join(chance.choices(alphabet, k=chance.randint(2, 9))) for _ in range(6_000)]
    common = [word for rank, word in enumerate(words[:300], 1) for _ in range(3_000 // rank)]
    return [*words, *common, *EMOJI * 20]


def write_body(path: Path, count: int) -> str:
    """Write a whole read of ``count`` results, framed as HTTP chunks; return its last offset."""
    offset = "earliest"
    with path.open("wb") as file:
        lines = [control(offset)]
        for number, document in enumerate(documents(count), 1):
            lines.append(b'{"chunk_type":"CT_RESULT","chunk_result":{"data":' + document + b"}}\n")
            if number % 100 == 0 or number == count:
                offset = f"o{number}"
                body = b"".join([*lines, control(offset)])
                for start in range(0, len(body), 65_536):
                    piece = body[start : start + 65_536]
                    file.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                lines = []
    return offset


def control(offset: str) -> bytes:
    """Return a control chunk."""
    return (
        b'{"chunk_type":"CT_CONTROL","chunk_control":{"connection_id":"#b#","resume_offset":"%b",'
        b'"collector_id":"%b"}}\n' % (offset.encode(), COLLECTOR_ID.encode())
    )


def _document(number: int, chance: random.Random, text: str) -> dict[str, object]:
    published = 1_704_067_200_000 + number * 1_000
    name = _name(number).decode()
    host = f"news{number % 997}.example.com"
    return {
        "data": {
            "url": f"https://{host}/articles/{name}",
            "indexed": published + 60_000,
            "search_indexed": published + 90_000,
            "published": published,
            "title": text[:80],
            "content": f"{name} {text}",
            "title_snippet": text[:60],
            "content_snippet": text[:200],
            "root_url": f"https://{host}/",
            "domain_url": "http://example.com/",
            "host_url": f"http://{host}/",
            "lang": chance.choice(("en", "es", "ru", "ja", "ar", "he")),
            "sentiment": chance.choice((-5, 0, 5)),
            "fluency_level": chance.randint(0, 100),
            "source_type": ["ONLINENEWS", "ONLINENEWS_OTHER"],
            "post_type": ["TEXT"],
            "images": [{"url": f"https://{host}/i/{name}.jpg", "width": 600, "height": 338}],
            "tags_internal": ["containsImage", "hasImage"],
            "article_extended_attributes": {"twitter_shares": chance.randint(0, 99), "url_views": number},
            "source_extended_attributes": {"alexa_pageviews": 410_000, "semrush_pageviews": 751_082},
            "extra_author_attributes": {
                "id": f"ex:{host}-{number % 31}",
                "name": "A. Writer",
                "gender": "UNKNOWN",
            },
            "extra_source_attributes": {
                "world_data": {
                    "continent": "Europe",
                    "country": "Luxembourg",
                    "city": "Luxembourg",
                    "longitude": 6.13,
                    "latitude": 49.61,
                    "country_code": "lu",
                    "resolution": "COUNTRY",
                },
                "id": f"ex:{host}",
                "name": host,
            },
            "engagement": chance.randint(0, 1_000),
            "reach": chance.randint(0, 10_000_000),
            "matched": {"task_id": EXPORT_ID},
            "word_count": len(text) // 6,
        }
    }


if __name__ == "__main__":
    write_body(Path(sys.argv[1]), int(sys.argv[2]))
