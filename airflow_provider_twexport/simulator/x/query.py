"""The parser of queries: as much of the rule grammar as it takes to refuse in the vendor's words, with positions."""

from __future__ import annotations

import re
from typing import NamedTuple

from airflow_provider_twexport.simulator.x.errors import XError, unprocessable

LONGEST = 2048
STANDALONE = "is/has/lang cannot be used as a standalone operator"
NEGATED = (
    "Rules must contain a non-negation term",
    "Rules must contain at least one positive, non-stopword clause",
)
AMBIGUOUS = (
    "Ambiguous use of and as a keyword. Use a space to logically join two clauses, "
    'or "and" to find occurrences of and in text'
)
INVALID = (
    "Reference to invalid operator '{}'. Operator is not available in current product or product packaging. "
    "Please refer to complete available operator list at http://t.co/operators."
)
OPERATORS = frozenset(
    (
        *("url", "lang", "from", "to", "retweets_of", "retweets_of_user", "is", "has"),
        *("place", "place_country", "point_radius", "bounding_box", "geo_bounding_box"),
        *("profile_country", "profile_region", "profile_locality"),
    )
)
IS = frozenset(("retweet", "reply", "quote", "verified"))
HAS = frozenset(
    (
        *("geo", "profile_geo", "derived_user_geo", "links", "mentions", "hashtags", "symbols"),
        *("media", "media_link", "images", "videos", "video_link"),
    )
)
WEAK = frozenset(("is", "has", "lang"))

_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<open>\()|(?P<close>\))|(?P<not>-(?=\S))|(?P<or>OR(?=[\s()]|$))"
    r'|(?P<operator>[A-Za-z_]+):(?P<value>"[^"]*"|\[[^\]]*\]|[^\s()]+)'
    r'|(?P<phrase>"[^"]*"(?:~\d+)?)|(?P<word>[^\s()"\[\]\']+)'
)


class Clause(NamedTuple):
    """What a part of a query can do: stand for a search of its own, or only narrow one."""

    position: int
    stands: bool
    weak: bool


def check(text: str) -> None:
    """Refuse what the vendor's parser would.

    :raises XError: HTTP 422 with the problem and its position, counted from 1.
    """
    if not text.strip():
        raise unprocessable("query cannot be empty")
    if len(text) > LONGEST:
        raise unprocessable(f"Rule length must not exceed {LONGEST} characters")
    parser = _Parser(text)
    found = parser.alternatives()
    if parser.match is not None:
        raise _at("missing EOF at ')'", parser.match.start())
    if not found.stands:
        problems = (STANDALONE,) if found.weak else NEGATED
        raise unprocessable(*(f"{problem} (at position {found.position + 1})" for problem in problems))


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._next = 0
        self.match: re.Match[str] | None = None
        self._step()

    def alternatives(self) -> Clause:
        found = [self._conjunction()]
        while self._kind == "or":
            self._step()
            found.append(self._conjunction())
        return next((one for one in found if not one.stands), found[0])

    def _conjunction(self) -> Clause:
        found = []
        while self._kind not in ("", "or", "close"):
            found.append(self._clause())
        if not found:
            raise self._no_alternative()
        return next((one for one in found if one.stands), next((one for one in found if one.weak), found[0]))

    def _clause(self) -> Clause:
        match, kind = self._taken()
        position = match.start()
        if kind == "not":
            return Clause(position, stands=False, weak=self._negated().weak)
        if kind == "open":
            inner = self.alternatives()
            if self._kind != "close":
                raise _at("Missing closing parenthesis", position)
            self._step()
            return inner
        if kind == "operator":
            _check_operator(match, position)
        if kind == "word" and match[0].lower() == "and":
            raise _at(AMBIGUOUS, position)
        weak = kind == "operator" and match["operator"] in WEAK
        return Clause(position, stands=not weak, weak=weak)

    def _negated(self) -> Clause:
        if self.match and self.match[0] == "is:nullcast":
            self._step()
            return Clause(0, stands=False, weak=False)
        return self._clause()

    @property
    def _kind(self) -> str:
        return _kind(self.match) if self.match else ""

    def _taken(self) -> tuple[re.Match[str], str]:
        match = self.match
        if match is None:
            raise self._no_alternative()
        self._step()
        return match, _kind(match)

    def _step(self) -> None:
        self.match = None
        while self.match is None or _kind(self.match) == "space":
            if self._next >= len(self._text):
                self.match = None
                return
            self.match = _TOKEN.match(self._text, self._next)
            if self.match is None:
                character = self._text[self._next]
                what = "character" if character in "'\"" else "input"
                raise _at(f"no viable alternative at {what} '{character}'", self._next)
            self._next = self.match.end()

    def _no_alternative(self) -> XError:
        if self.match is None:
            return _at("no viable alternative at input '<EOF>'", len(self._text))
        return _at(f"no viable alternative at input '{self.match[0]}'", self.match.start())


def _kind(match: re.Match[str]) -> str:
    return "operator" if match["operator"] else str(match.lastgroup)


def _check_operator(match: re.Match[str], position: int) -> None:
    name, value = match["operator"], match["value"]
    known = {"is": IS, "has": HAS}.get(name)
    if name not in OPERATORS or (known and value not in known):
        raise _at(INVALID.format(match[0] if known else name), position)


def _at(problem: str, index: int) -> XError:
    return unprocessable(f"{problem} (at position {index + 1})")
