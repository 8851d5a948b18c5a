"""The projects, topics and streams that the demo tokens see."""

from __future__ import annotations

from dataclasses import dataclass

TOKENS = {"demo-token-read-write": None, "demo-token-read-only": "read_only"}
ACCOUNT_ID = "demo-account"


@dataclass(frozen=True)
class Topic:
    """A saved query of a project; it owns the results whose index ends in one of these digits."""

    id: str
    title: str
    digits: frozenset[int]


@dataclass(frozen=True)
class Project:
    """A container of topics."""

    id: str
    name: str
    topics: tuple[Topic, ...]


# Digit 3 has two topics: a result may match more than one.
TOPICS = (
    Topic("md000001_aaaaaaaaaaaa", "Harbour Bank", frozenset({0, 1, 2, 3})),
    Topic("md000002_bbbbbbbbbbbb", "Competitors", frozenset({3, 4, 5})),
    Topic("md000003_cccccccccccc", "Fintech en español", frozenset({6, 7})),
    Topic("md000004_dddddddddddd", "Economy", frozenset({8, 9})),
)
PROJECTS = {
    project.id: project
    for project in (
        Project("11111111-2222-4333-8444-555555555555", "Demo project", TOPICS),
        Project("66666666-7777-4888-8999-aaaaaaaaaaaa", "Second demo project", TOPICS[:2]),
    )
}
STREAMS = ("demo-stream", "demo-stream-2")
