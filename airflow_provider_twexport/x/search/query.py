"""Queries of X enterprise search, checked before a request is spent on them.

Vendor pages: "Enterprise operators", "Rules and filtering". X would refuse every query that is refused here. Where the
pages leave it open, a warning is logged and X decides: it says why it refuses, and bills only pages that it answers.
Out of scope: whether countries, places and languages exist.
"""

from __future__ import annotations

import logging
import math
import re
from typing import NamedTuple

from airflow_provider_twexport.exceptions import QuerySyntaxError

log = logging.getLogger(__name__)

MAX_LENGTH = 2048
MAX_DISTANCE = 6
LIMIT_MILES = 25.0
# a mile has 1.609344 km, and a degree about 69.1 miles: nobody knows how exactly X takes it
RADIUS_TOLERANCE, BOX_TOLERANCE = 1.0001, 1.01
MILES_PER_DEGREE = 69.1
KM_PER_MILE = 1.609344

OPERATORS = frozenset(
    (
        *("url", "lang", "from", "to", "retweets_of", "retweets_of_user", "is", "has"),
        *("place", "place_country", "point_radius", "bounding_box", "geo_bounding_box"),
        *("profile_country", "profile_region", "profile_locality"),
        # the vendor's pages contradict each other about these, so the service decides
        *("bio_location", "url_title", "url_description", "reply_to_status_id"),
    )
)
VALUES = {
    "is": frozenset(("retweet", "reply", "quote", "verified", "nullcast")),
    "has": frozenset(
        (
            *("geo", "profile_geo", "derived_user_geo", "links", "mentions", "hashtags", "symbols"),
            *("media", "media_link", "images", "videos", "video_link"),
        )
    ),
}
NARROWING = frozenset(("is", "has", "lang"))
NARROWING_ALONE = "is:, has: and lang: only narrow a search; add a word, a phrase or another operator"

# the pages want "punctuation" in quotes, and name no characters
_UNQUOTED = re.compile(r"[+&%*=<>?!;~^|\\{}]")
_NUMBER = r"-?\d+(?:\.\d+)?"
_BOX = re.compile(rf"\[\s*({_NUMBER})\s+({_NUMBER})\s+({_NUMBER})\s+({_NUMBER})\s*\]")
_RADIUS = re.compile(rf"\[\s*({_NUMBER})\s+({_NUMBER})\s+(\d+(?:\.\d+)?)(mi|km)\s*\]")
_TOKEN = re.compile(
    r"(?P<open>\()|(?P<close>\))|(?P<minus>-)(?=[^\s-])|(?P<or>OR)(?=[\s()]|$)"
    r'|(?P<operator>[A-Za-z_]+):(?P<value>"(?:[^"\\]|\\.)*"|\[[^\]]*\]|[^\s()"\[\]]+)'
    r'|(?P<phrase>"(?:[^"\\]|\\.)*")(?:~(?P<distance>\d+))?|(?P<word>[^\s()"\[\]]+)'
)


def _leave_to_x(doubt: str) -> None:
    log.warning("X decides whether it takes the query, and bills nothing if it refuses. %s", doubt)


def normalize(query: str) -> str:
    """Return the query as it is sent: on one line, with single spaces, also inside quotes.

    :raises QuerySyntaxError: if X would refuse it; its fact ``position`` counts characters from 1.
    """
    text = " ".join(query.split())
    if not text:
        raise QuerySyntaxError("There is no query: write what to search for.", facts={"position": 1})
    if len(text) > MAX_LENGTH:
        raise QuerySyntaxError(
            f"The query has {len(text):,} characters. At most {MAX_LENGTH:,} are allowed: split it into searches.",
            facts={"position": MAX_LENGTH + 1},
        )
    _Parser(text).parse()
    return text


class _Part(NamedTuple):
    """A part of a query.

    :param start: its position.
    :param searches: whether it can stand alone, because it says what to find and not only what to exclude.
    :param narrows: whether it only narrows what other parts find.
    """

    start: int
    searches: bool
    narrows: bool = False


class _Parser:
    """Parses a query by its grammar: a space means AND and binds stronger than OR."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def parse(self) -> None:
        whole = self._parse_or(depth=0)
        if self._at < len(self._text):
            raise self._error("there is one closing parenthesis too many", self._at)
        if not whole.searches:
            reason = NARROWING_ALONE if whole.narrows else "it only says what to leave out; add what to find"
            raise self._error(reason, whole.start)

    def _parse_or(self, depth: int) -> _Part:
        parts = [self._parse_and(depth)]
        while self._peek("or"):
            self._next_token()
            parts.append(self._parse_and(depth))
        return next((part for part in parts if not part.searches), parts[0])

    def _parse_and(self, depth: int) -> _Part:
        start, parts = self._at, []
        while self._at < len(self._text) and not self._peek("or") and not self._peek("close"):
            parts.append(self._parse_term(depth))
        if not parts:
            raise self._error("something to search for is missing", min(start, len(self._text) - 1))
        return next(
            (part for part in parts if part.searches),
            next((part for part in parts if part.narrows), parts[0]),
        )

    def _parse_term(self, depth: int) -> _Part:
        token = self._next_token()
        at = token.start()
        if token["minus"]:
            return self._parse_negated(at, depth)
        if token["open"]:
            inner = self._parse_or(depth + 1)
            if not self._peek("close"):
                raise self._error("this parenthesis is not closed", at)
            self._next_token()
            return inner
        if token["operator"]:
            self._check_operator(token, at)
            if token["operator"] == "is" and token["value"] == "nullcast":
                raise self._error("is:nullcast must be negated: -is:nullcast", at)
        if token["distance"] and int(token["distance"]) > MAX_DISTANCE:
            raise self._error(f"words can be at most {MAX_DISTANCE} apart: ~{MAX_DISTANCE}", at)
        if word := token["word"]:
            self._check_word(word, at)
        narrows = token["operator"] in NARROWING
        return _Part(at, searches=not narrows, narrows=narrows)

    def _parse_negated(self, at: int, depth: int) -> _Part:
        if self._text.startswith("is:nullcast", self._at):
            if depth:
                raise self._error("move -is:nullcast outside of parentheses", at)
            self._next_token()
            return _Part(at, searches=False)
        return _Part(at, searches=False, narrows=self._parse_term(depth).narrows)

    def _check_word(self, word: str, at: int) -> None:
        if word.lower() == "and":
            raise self._error('a space means AND; to find the word itself, write "and" in quotes', at)
        if word in ("-", "+"):
            raise self._error(f"{word} stands alone; write -word to exclude a word, or put it in quotes", at)
        if _UNQUOTED.search(word):
            _leave_to_x(f'It may want the word {word} in quotes: "{word}".')

    def _check_operator(self, token: re.Match[str], at: int) -> None:
        name, value = token["operator"], token["value"]
        if name not in OPERATORS:
            raise self._error(
                f"X Search has no operator {name}: (to find a text with a colon, put it in quotes)", at
            )
        if name in VALUES and value not in VALUES[name]:
            known = ", ".join(sorted(VALUES[name]))
            raise self._error(f"X Search has no {name}:{value}; choose one of {known}", at)
        if name == "point_radius":
            self._check_radius(value, at)
        if name in ("bounding_box", "geo_bounding_box"):
            self._check_box(value, at)

    def _check_radius(self, value: str, at: int) -> None:
        found = _RADIUS.fullmatch(value)
        if not found:
            raise self._error("write point_radius:[longitude latitude radius], the radius with mi or km", at)
        self._check_coordinates(float(found[1]), float(found[2]), at)
        radius = float(found[3]) / (KM_PER_MILE if found[4] == "km" else 1)
        if radius > LIMIT_MILES * RADIUS_TOLERANCE:
            raise self._error("the radius must be below 25 mi (40.2 km)", at)
        if radius >= LIMIT_MILES:
            _leave_to_x("It documents that a radius must be below 25 mi, and has answered 25 mi.")

    def _check_box(self, value: str, at: int) -> None:
        found = _BOX.fullmatch(value)
        if not found:
            raise self._error("write bounding_box:[west south east north], in degrees", at)
        west, south, east, north = map(float, found.groups())
        self._check_coordinates(west, south, at)
        self._check_coordinates(east, north, at)
        if west >= east or south >= north:
            raise self._error("west must be below east, and south below north", at)
        nearest_equator = 0.0 if south < 0 < north else min(abs(south), abs(north))
        width = (east - west) * MILES_PER_DEGREE * math.cos(math.radians(nearest_equator))
        height = (north - south) * MILES_PER_DEGREE
        if max(width, height) > LIMIT_MILES * BOX_TOLERANCE:
            raise self._error(f"the box is {width:.0f} by {height:.0f} mi, each side must be below 25", at)
        if max(width, height) >= LIMIT_MILES / BOX_TOLERANCE:
            _leave_to_x(f"It documents sides below 25 mi, and the box has about {width:.1f} by {height:.1f}.")

    def _check_coordinates(self, longitude: float, latitude: float, at: int) -> None:
        if abs(longitude) > 180 or abs(latitude) > 90:
            raise self._error("a longitude must be between -180 and 180, a latitude between -90 and 90", at)

    def _peek(self, kind: str) -> bool:
        found = _TOKEN.match(self._text, self._at)
        return bool(found and found[kind])

    def _next_token(self) -> re.Match[str]:
        found = _TOKEN.match(self._text, self._at)
        if not found:
            is_quote = self._text[self._at] == '"'
            raise self._error(
                "this quote is not closed" if is_quote else "this is not allowed here", self._at
            )
        self._at = found.end()
        while self._at < len(self._text) and self._text[self._at] == " ":
            self._at += 1
        return found

    def _error(self, reason: str, at: int) -> QuerySyntaxError:
        shown = self._text[at : at + 40] + ("…" if len(self._text) > at + 40 else "")
        return QuerySyntaxError(
            f"The query is wrong at position {at + 1}, {shown!r}: {reason}.", facts={"position": at + 1}
        )
