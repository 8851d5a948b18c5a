"""The parser of queries: enough of the rule grammar to refuse a query in the vendor's words, with positions."""

from __future__ import annotations

import re
from typing import NamedTuple

from airflow_provider_twexport.simulator.x.errors import XError, unprocessable

MAX_LENGTH = 2048
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
FILTERS = frozenset(("is", "has", "lang"))

_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<open>\()|(?P<close>\))|(?P<not>-(?=\S))|(?P<or>OR(?=[\s()]|$))"
    r'|(?P<operator>[A-Za-z_]+):(?P<value>"(?:[^"\\]|\\.)*"|\[[^\]]*\]|[^\s()]+)'
    r'|(?P<phrase>"(?:[^"\\]|\\.)*"(?:~\d+)?)|(?P<word>[^\s()"\[\]\']+)'
)


class Clause(NamedTuple):
    """A part of a query.

    :param stands_alone: whether it can be a query of its own.
    :param is_filter: whether it is an operator that only narrows a query.
    """

    position: int
    stands_alone: bool
    is_filter: bool


def check(text: str) -> None:
    """Refuse what the vendor's parser refuses.

    :raises XError: HTTP 422 with the problem and its position, counted from 1.
    """
    if not text.strip():
        raise unprocessable("query cannot be empty")
    if len(text) > MAX_LENGTH:
        raise unprocessable(f"Rule length must not exceed {MAX_LENGTH} characters")
    parser = _Parser(text)
    clause = parser.alternatives()
    if parser.match is not None:
        raise _at("missing EOF at ')'", parser.match.start())
    if not clause.stands_alone:
        problems = (STANDALONE,) if clause.is_filter else NEGATED
        raise unprocessable(*(f"{problem} (at position {clause.position + 1})" for problem in problems))


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._next = 0
        self.match: re.Match[str] | None = None
        self._advance()

    def alternatives(self) -> Clause:
        clauses = [self._conjunction()]
        while self._kind == "or":
            self._advance()
            clauses.append(self._conjunction())
        return next((clause for clause in clauses if not clause.stands_alone), clauses[0])

    def _conjunction(self) -> Clause:
        clauses = []
        while self._kind not in ("", "or", "close"):
            clauses.append(self._clause())
        if not clauses:
            raise self._no_alternative()
        standing = (clause for clause in clauses if clause.stands_alone)
        filters = (clause for clause in clauses if clause.is_filter)
        return next(standing, next(filters, clauses[0]))

    def _clause(self) -> Clause:
        match, kind = self._take()
        position = match.start()
        if kind == "not":
            return Clause(position, stands_alone=False, is_filter=self._negated().is_filter)
        if kind == "open":
            inner = self.alternatives()
            if self._kind != "close":
                raise _at("Missing closing parenthesis", position)
            self._advance()
            return inner
        if kind == "operator":
            _check_operator(match, position)
        if kind == "word" and match[0].lower() == "and":
            raise _at(AMBIGUOUS, position)
        if kind == "word" and match[0] in ("-", "+"):
            raise _at(f"no viable alternative at character '{match[0]}'", position)
        is_filter = kind == "operator" and match["operator"] in FILTERS
        return Clause(position, stands_alone=not is_filter, is_filter=is_filter)

    def _negated(self) -> Clause:
        if self.match and self.match[0] == "is:nullcast":
            self._advance()
            return Clause(0, stands_alone=False, is_filter=False)
        return self._clause()

    @property
    def _kind(self) -> str:
        return _kind(self.match) if self.match else ""

    def _take(self) -> tuple[re.Match[str], str]:
        match = self.match
        if match is None:
            raise self._no_alternative()
        self._advance()
        return match, _kind(match)

    def _advance(self) -> None:
        self.match = None
        while self.match is None or _kind(self.match) == "space":
            if self._next >= len(self._text):
                self.match = None
                return
            self.match = _TOKEN.match(self._text, self._next)
            if self.match is None:
                character = self._text[self._next]
                kind = "character" if character in "'\"" else "input"
                raise _at(f"no viable alternative at {kind} '{character}'", self._next)
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
