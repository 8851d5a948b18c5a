"""What a manifest promises its readers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from upath import UPath

from airflow_provider_twexport import __version__
from airflow_provider_twexport.exceptions import (
    CorruptManifestError,
    ManifestNotFoundError,
    UnsupportedManifestVersionError,
)
from airflow_provider_twexport.storage import manifest
from airflow_provider_twexport.storage.manifest import Manifest
from tests.storage.stream import land, stream

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_twexport.storage.part import Part


@pytest.fixture
def landed(tmp_path: Path) -> Manifest:
    """Land three parts."""
    return land(tmp_path, stream(4), file_format="jsonl", max_part_bytes=1)


def rewrite(directory: Path, without: str = "", **changes: Any) -> None:
    """Change or remove keys of the manifest."""
    path = directory / "_manifest.json"
    document = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in document.items() if key != without}))


@pytest.mark.parametrize("kind", [str, UPath, lambda path: path])
@pytest.mark.parametrize("name", ["", "_manifest.json"])
def test_it_is_read_by_any_path(landed: Manifest, tmp_path: Path, kind: Any, name: str) -> None:
    """The directory or the file itself, as text, Path or UPath."""
    assert manifest.read(kind(tmp_path / name)) == landed


def test_it_survives_json(landed: Manifest) -> None:
    """Writing and reading it gives the same manifest."""
    assert Manifest.from_json(landed.to_json()) == landed


def test_its_schema_is_the_documented_one(landed: Manifest) -> None:
    """The keys of the file are those of the module's documentation, no more and no less."""
    document = json.loads(landed.to_json())
    documented = {
        line.split()[0]
        for line in (manifest.__doc__ or "").splitlines()
        if line[:5].strip() and line[0] == " "
    }
    assert set(document) == documented
    assert document["schema_version"] == 1
    assert document["provider_version"] == __version__
    assert document["created_at"].endswith("+00:00")
    documented_of_parts = {"name", "results", "bytes", "sha256"}
    documented_of_parts |= {"first_cursor", "last_cursor", "coercion_failures", "written_at", "rows"}
    assert set(document["parts"][0]) == documented_of_parts


def test_unknown_keys_are_tolerated(landed: Manifest, tmp_path: Path) -> None:
    """A key that a later version added does no harm."""
    rewrite(tmp_path, weather="fine")
    assert manifest.read(tmp_path) == landed


@pytest.mark.usefixtures("landed")
def test_a_newer_schema_says_to_upgrade(tmp_path: Path) -> None:
    """A schema of the future is refused, even if nothing of it can be read."""
    rewrite(tmp_path, schema_version=2, parts={"quite": "different"})
    with pytest.raises(
        UnsupportedManifestVersionError, match=r"_manifest.json has schema version 2.*upgrade"
    ):
        manifest.read(tmp_path)


@pytest.mark.parametrize("key", ["schema_version", "parts", "file_format", "source"])
@pytest.mark.usefixtures("landed")
def test_a_missing_key_is_named(tmp_path: Path, key: str) -> None:
    """The error names the file and the key."""
    rewrite(tmp_path, without=key)
    with pytest.raises(CorruptManifestError, match=rf"{tmp_path}/_manifest.json.*`{key}`"):
        manifest.read(tmp_path)


@pytest.mark.parametrize("text", [b"", b'{"schema_version":1', b"\xff\xfe", b"[]"])
def test_what_is_no_json_is_named(tmp_path: Path, text: bytes) -> None:
    """The error names the file."""
    (tmp_path / "_manifest.json").write_bytes(text)
    with pytest.raises(CorruptManifestError, match=f"{tmp_path}/_manifest.json"):
        manifest.read(tmp_path)


def test_no_manifest_says_so(tmp_path: Path) -> None:
    """Where nothing was landed, that is the error, and it names the place."""
    with pytest.raises(ManifestNotFoundError, match=str(tmp_path)):
        manifest.read(tmp_path / "nowhere")


def test_verify_finds_nothing_wrong(landed: Manifest, tmp_path: Path) -> None:
    """Untouched parts are as the manifest says."""
    assert len(landed.parts) == 3
    assert manifest.verify(tmp_path) == []


def test_verify_names_each_fault(landed: Manifest, tmp_path: Path) -> None:
    """Missing, changed, cut: each part's fault is one sentence."""
    first, second, third = (tmp_path / part.name for part in landed.parts)
    first.unlink()
    second.write_bytes(second.read_bytes().replace(b"caf", b"CAF"))
    third.write_bytes(third.read_bytes() + b"more\n")
    problems = manifest.verify(tmp_path)
    assert problems[0] == f"{first.name} is missing"
    assert problems[1].startswith(f"{second.name} has sha256 ")
    assert (
        problems[2]
        == f"{third.name} has {landed.parts[2].bytes + 5} bytes instead of {landed.parts[2].bytes}"
    )


def test_verify_counts_the_results(landed: Manifest, tmp_path: Path) -> None:
    """A manifest that claims another number of results is wrong."""
    part = landed.parts[0]
    parts = [_fields(part) | {"results": 99}, *map(_fields, landed.parts[1:])]
    rewrite(tmp_path, parts=parts)
    assert manifest.verify(tmp_path) == [f"{part.name} holds {part.results} results instead of 99"]


def _fields(part: Part) -> dict[str, Any]:
    return {name: getattr(part, name) for name in part.__slots__}


@pytest.mark.parametrize(
    ("exported", "estimated_total", "truncated", "missing"),
    [
        (300, 1_000, True, 700),
        (300, 300, False, 0),
        (310, 300, False, 0),
        (0, 40, True, 40),
        (None, None, False, 0),
        (None, 1_000, False, 0),
        (300, None, False, 0),
        (None, None, True, None),
        (None, 1_000, True, None),
        (300, None, True, None),
    ],
)
def test_it_knows_how_much_a_truncated_export_lacks(
    landed: Manifest, exported: int | None, estimated_total: int | None, truncated: bool, missing: int | None
) -> None:
    """The difference of the counts; where a count is unknown, 0 if nothing was cut off and None if something was."""
    counts = replace(landed, exported=exported, estimated_total=estimated_total, truncated=truncated)
    assert counts.missing == missing
