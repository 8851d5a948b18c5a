"""Made-up profiles of a union schema, in real Parquet files."""

from __future__ import annotations

import io
import random
from abc import abstractmethod
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.simulator.prng import mixed, number

if TYPE_CHECKING:
    from collections.abc import Iterator


UNIT = 64 * 1024
POOL = 2**20


@dataclass(frozen=True)
class File:
    """One file of a dataset, or a directory of two."""

    seed: int
    id: str

    @property
    def name(self) -> str:
        """The name that the service gives it."""
        return f"part-00000-{number(self.seed, self.id):016x}-c0000.snappy.parquet"

    @property
    @abstractmethod
    def size(self) -> int:
        """How many bytes it has."""

    @abstractmethod
    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes `[start, stop)` in pieces."""

    @abstractmethod
    def halves(self) -> list[File]:
        """List the files in it where it is a directory."""


@dataclass(frozen=True)
class Noise(File):
    """A file of any size, named as Parquet is, but its bytes mean nothing."""

    amount: int

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self.amount

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes `[start, stop)` in pieces."""
        while start < stop:
            unit, offset = divmod(start, UNIT)
            piece = self._unit(unit)[offset : offset + stop - start]
            yield piece
            start += len(piece)

    def halves(self) -> list[File]:
        """List the files in it where it is a directory."""
        half = self.amount // 2
        return [
            Noise(self.seed, f"{self.id}-0", half),
            Noise(self.seed, f"{self.id}-1", self.amount - half),
        ]

    def _unit(self, index: int) -> bytes:
        stamp = blake2b(repr((self.seed, self.id, index)).encode(), digest_size=32).digest()
        begin = mixed(number(self.seed, self.id), index) % POOL
        return stamp + _pool(self.seed)[begin : begin + UNIT - len(stamp)]


@cache
def _pool(seed: int) -> bytes:
    return random.Random(seed).randbytes(POOL + UNIT)


FIRST_NAMES = ("Ana", "Jürgen", "Zoë", "Łukasz", "Ирина", "美咲", "محمد", "O'Brien", "José María")
LAST_NAMES = ("García", "Nuñez", "Müller", "Smith-Jones", "Ολυμπία", "佐藤", "d'Artagnan", "Østergård")
COUNTRIES = ("ES", "MX", "DE", "US", "JP", "LU")
QUALIFIED_FROM = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Segment:
    """A segment that all profiles of a file are in."""

    id: str
    namespace: str
    status: str


@dataclass(frozen=True)
class Profiles(File):
    """The profiles `[first, stop)` of all that there are, as one snappy Parquet file."""

    first: int
    stop: int
    segments: tuple[Segment, ...]

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return len(_parquet(self))

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes `[start, stop)` in pieces."""
        content = _parquet(self)
        for begin in range(start, stop, UNIT):
            yield content[begin : min(begin + UNIT, stop)]

    def halves(self) -> list[File]:
        """List the files in it where it is a directory."""
        middle = (self.first + self.stop) // 2
        return [
            Profiles(self.seed, f"{self.id}-{n}", first, stop, self.segments)
            for n, (first, stop) in enumerate([(self.first, middle), (middle, self.stop)])
        ]

    def ids(self) -> list[dict[str, Any]]:
        """List who is in it, by the ids that are easily spoilt: 38 digits as text, and a number past 2^53."""
        return [ids_of(self.seed, index) for index in range(self.first, self.stop)]


def ids_of(seed: int, index: int) -> dict[str, Any]:
    """Tell who a profile is; the same person in every export."""
    return {
        "ecid": f"{number(seed, 'ecid', index) * 10**18 + index:038}",
        "crm_id": 2**62 + number(seed, "crm", index) % 2**60,
    }


@lru_cache(maxsize=64)
def _parquet(file: Profiles) -> bytes:
    import pyarrow
    from pyarrow import parquet

    rows = [_profile(file, index) for index in range(file.first, file.stop)]
    written = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(rows, _schema()), written, compression="snappy")
    return written.getvalue()


@cache
def _schema() -> Any:
    import pyarrow as pa

    text, moment = pa.string(), pa.timestamp("ms", tz="UTC")
    identity = pa.struct({"id": text, "authenticatedState": text, "primary": pa.bool_()})
    membership = pa.struct({"lastQualificationTime": moment, "status": text})
    name = pa.struct({"firstName": text, "lastName": text})
    return pa.schema(
        {
            "identityMap": pa.map_(text, pa.list_(identity)),
            "segmentMembership": pa.map_(text, pa.map_(text, membership)),
            "person": pa.struct({"name": name, "birthDate": pa.date32(), "gender": text}),
            "personalEmail": pa.struct({"address": text}),
            "homeAddress": pa.struct({"countryCode": text, "city": text}),
            "_demo": pa.struct({"crmId": pa.int64()}),
        }
    )


def _profile(file: Profiles, index: int) -> dict[str, Any]:
    """Make a profile up; each has its identity, and not all have the rest."""
    chance, ids = random.Random(number(file.seed, "profile", index)), ids_of(file.seed, index)
    email = f"person{index}@example.com" if chance.random() < 0.8 else None
    namespaces = {"ECID": ids["ecid"], **({"Email": email} if email else {})}
    born = date(1940, 1, 1) + timedelta(days=chance.randrange(25_000))
    name = {"firstName": chance.choice(FIRST_NAMES), "lastName": chance.choice(LAST_NAMES)}
    return {
        "identityMap": [
            (namespace, [{"id": value, "authenticatedState": "ambiguous", "primary": namespace == "ECID"}])
            for namespace, value in namespaces.items()
        ],
        "segmentMembership": _memberships(file.segments, chance),
        "person": {"name": name, "birthDate": born, "gender": chance.choice(("female", "male", None))}
        if chance.random() < 0.9
        else None,
        "personalEmail": {"address": email} if email else None,
        "homeAddress": {"countryCode": chance.choice(COUNTRIES), "city": None},
        "_demo": {"crmId": ids["crm_id"]},
    }


def _memberships(segments: tuple[Segment, ...], chance: random.Random) -> list[tuple[str, Any]]:
    found: dict[str, list[tuple[str, Any]]] = {}
    for segment in segments:
        moment = QUALIFIED_FROM + timedelta(seconds=chance.randrange(31 * 86_400))
        one = {"lastQualificationTime": moment, "status": segment.status}
        found.setdefault(segment.namespace, []).append((segment.id, one))
    return list(found.items())
