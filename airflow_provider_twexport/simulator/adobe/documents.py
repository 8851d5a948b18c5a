"""The files of a dataset, each range of bytes the same every time: profiles in Parquet, or random bytes of any size."""

from __future__ import annotations

import io
import random
from abc import abstractmethod
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from hashlib import blake2b
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.simulator.prng import hash64, splitmix64

if TYPE_CHECKING:
    from collections.abc import Iterator


PIECE_BYTES = 64 * 1024
POOL_BYTES = 2**20
MAGIC = b"PAR1"


@dataclass(frozen=True)
class File:
    """One file of a batch, or a directory of files."""

    seed: int
    id: str

    @property
    def name(self) -> str:
        """The name that the service gives it."""
        return f"part-00000-{hash64(self.seed, self.id):016x}-c0000.snappy.parquet"

    @property
    @abstractmethod
    def size(self) -> int:
        """Its number of bytes."""

    @abstractmethod
    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes `[start, stop)` in pieces."""

    @abstractmethod
    def inner_files(self, count: int) -> list[File]:
        """Return the files in it if it is a directory."""


@dataclass(frozen=True)
class RandomFile(File):
    """A file of any size with random bytes between the first and the last four of Parquet.

    :param byte_count: its size.
    """

    byte_count: int

    @property
    def size(self) -> int:
        """Its number of bytes."""
        return self.byte_count

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes `[start, stop)` in pieces."""
        while start < stop:
            number, offset = divmod(start, PIECE_BYTES)
            piece = self._piece(number)[offset : offset + stop - start]
            yield self._with_magic(piece, start)
            start += len(piece)

    def inner_files(self, count: int) -> list[File]:
        """Return the files in it if it is a directory."""
        edges = [self.byte_count * n // count for n in range(count + 1)]
        return [RandomFile(self.seed, f"{self.id}-{n}", b - a) for n, (a, b) in enumerate(pairwise(edges))]

    def _with_magic(self, piece: bytes, start: int) -> bytes:
        if self.byte_count < 2 * len(MAGIC):
            return piece
        marked = bytearray(piece)
        for at in (0, self.byte_count - len(MAGIC)):
            for n, byte in enumerate(MAGIC, at - start):
                if 0 <= n < len(marked):
                    marked[n] = byte
        return bytes(marked)

    def _piece(self, number: int) -> bytes:
        digest = blake2b(repr((self.seed, self.id, number)).encode(), digest_size=32).digest()
        begin = splitmix64(hash64(self.seed, self.id), number) % POOL_BYTES
        return digest + _pool(self.seed)[begin : begin + PIECE_BYTES - len(digest)]


@cache
def _pool(seed: int) -> bytes:
    return random.Random(seed).randbytes(POOL_BYTES + PIECE_BYTES)


FIRST_NAMES = ("Ana", "Jürgen", "Zoë", "Łukasz", "Ирина", "美咲", "محمد", "O'Brien", "José María")
LAST_NAMES = ("García", "Nuñez", "Müller", "Smith-Jones", "Ολυμπία", "佐藤", "d'Artagnan", "Østergård")
COUNTRIES = ("ES", "MX", "DE", "US", "JP", "LU")
QUALIFIED_FROM = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Segment:
    """A segment of which all profiles of a file are members."""

    id: str
    namespace: str
    status: str


@dataclass(frozen=True)
class ProfilesFile(File):
    """The profiles `[first, stop)` as one Parquet file, compressed with snappy."""

    first: int
    stop: int
    segments: tuple[Segment, ...]

    @property
    def size(self) -> int:
        """Its number of bytes."""
        return len(_parquet(self))

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes `[start, stop)` in pieces."""
        content = _parquet(self)
        for begin in range(start, stop, PIECE_BYTES):
            yield content[begin : min(begin + PIECE_BYTES, stop)]

    def inner_files(self, count: int) -> list[File]:
        """Return the files in it if it is a directory."""
        edges = [self.first + (self.stop - self.first) * n // count for n in range(count + 1)]
        return [
            ProfilesFile(self.seed, f"{self.id}-{n}", first, stop, self.segments)
            for n, (first, stop) in enumerate(pairwise(edges))
        ]

    def ids(self) -> list[dict[str, Any]]:
        """List the ids of its profiles that a reader may damage: 38 digits as text, and a number above 2^53."""
        return [ids_of(self.seed, index) for index in range(self.first, self.stop)]


def ids_of(seed: int, index: int) -> dict[str, Any]:
    """Return the ids of a profile; the same person in every export."""
    return {
        "ecid": f"{hash64(seed, 'ecid', index) * 10**18 + index:038}",
        "crm_id": 2**62 + hash64(seed, "crm", index) % 2**60,
    }


@lru_cache(maxsize=64)
def _parquet(file: ProfilesFile) -> bytes:
    import pyarrow
    from pyarrow import parquet

    rows = [_profile(file, index) for index in range(file.first, file.stop)]
    written = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(rows, _schema()), written, compression="snappy")
    return written.getvalue()


@cache
def _schema() -> Any:
    import pyarrow as pa

    text, time = pa.string(), pa.timestamp("ms", tz="UTC")
    identity = pa.struct({"id": text, "authenticatedState": text, "primary": pa.bool_()})
    membership = pa.struct({"lastQualificationTime": time, "status": text})
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


def _profile(file: ProfilesFile, index: int) -> dict[str, Any]:
    """Return a random profile; each has its identity, and not all have the rest."""
    rng, ids = random.Random(hash64(file.seed, "profile", index)), ids_of(file.seed, index)
    email = f"person{index}@example.com" if rng.random() < 0.8 else None
    namespaces = {"ECID": ids["ecid"], **({"Email": email} if email else {})}
    birth_date = date(1940, 1, 1) + timedelta(days=rng.randrange(25_000))
    name = {"firstName": rng.choice(FIRST_NAMES), "lastName": rng.choice(LAST_NAMES)}
    return {
        "identityMap": [
            (namespace, [{"id": value, "authenticatedState": "ambiguous", "primary": namespace == "ECID"}])
            for namespace, value in namespaces.items()
        ],
        "segmentMembership": _memberships(file.segments, rng),
        "person": {"name": name, "birthDate": birth_date, "gender": rng.choice(("female", "male", None))}
        if rng.random() < 0.9
        else None,
        "personalEmail": {"address": email} if email else None,
        "homeAddress": {"countryCode": rng.choice(COUNTRIES), "city": None},
        "_demo": {"crmId": ids["crm_id"]},
    }


def _memberships(segments: tuple[Segment, ...], rng: random.Random) -> list[tuple[str, Any]]:
    by_namespace: dict[str, list[tuple[str, Any]]] = {}
    for segment in segments:
        qualified = QUALIFIED_FROM + timedelta(seconds=rng.randrange(31 * 86_400))
        membership = {"lastQualificationTime": qualified, "status": segment.status}
        by_namespace.setdefault(segment.namespace, []).append((segment.id, membership))
    return list(by_namespace.items())
