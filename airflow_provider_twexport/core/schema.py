"""The typed columns of a service's results, declared once, as plain data.

A type is ``string``, ``int64``, ``double``, ``timestamp`` (UTC, read from epoch milliseconds; 0 and -1 are null),
``timestamp<format>`` (UTC, read from a text, with the format as ``strptime`` knows it),
``map<int64>`` and ``map<double>`` (string keys), ``[type]`` for a list, ``{name: type}`` for a struct as it is in the
result, and a tuple of columns for a struct that is put together, with paths from the struct's own. In a path,
``name[]`` goes into each element of a list, and what is found there becomes one list. A path that ends in ``[]`` says
that what is found there are lists, too. ``|`` stands between places, of which the first one that is not null counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple


class Column(NamedTuple):
    """One column.

    :param name: in the file.
    :param type: one of the module's types.
    :param path: where it is in a result, from the top.
    :param note: for readers.
    """

    name: str
    type: Any
    path: str
    note: str = ""

    @property
    def places(self) -> list[list[str]]:
        """Return the steps of each place where the column may be, the best one first."""
        return [place.strip().split(".") for place in self.path.split("|")]

    def type_at(self, steps: list[str]) -> Any:
        """Return the type of what is at the end of a place."""
        is_collected = any(step.endswith("[]") for step in steps[:-1]) and not steps[-1].endswith("[]")
        return self.type[0] if is_collected else self.type


@dataclass(frozen=True, slots=True)
class Schema:
    """The columns of one kind of result.

    :param name: of the kind; part of each file's metadata.
    :param version: increases when a column changes its type or meaning, or is removed; not for a new column.
    :param columns: in the order of the file; the whole result, byte for byte, follows as ``raw``.
    """

    name: str
    version: int
    columns: tuple[Column, ...]

    def markdown(self) -> str:
        """Return the columns as a Markdown table."""
        lines = ["| column | type | found at | note |", "|---|---|---|---|"]
        lines += [
            f"| `{one.name}` | `{type_name(one.type)}` | {_places(one)} | {one.note} |"
            for one in self.columns
        ]
        lines.append("| `raw` | `string` | | the whole result, byte for byte |")
        return "\n".join(lines) + "\n"


def _places(column: Column) -> str:
    """Return where a column is, and where the parts of one are that is put together."""
    places = ", else ".join(f"`{'.'.join(steps)}`" for steps in column.places)
    if not isinstance(column.type, tuple):
        return places
    return f"{places}: " + "; ".join(f"{part.name} in {_places(part)}" for part in column.type)


def type_name(column_type: Any) -> str:
    """Return the text for a type."""
    if isinstance(column_type, tuple):
        return f"struct<{', '.join(f'{one.name}: {type_name(one.type)}' for one in column_type)}>"
    if isinstance(column_type, list):
        return f"list<{type_name(column_type[0])}>"
    if isinstance(column_type, dict):
        return f"struct<{', '.join(f'{name}: {type_name(inner)}' for name, inner in column_type.items())}>"
    return (
        "timestamp[ms, UTC]"
        if column_type.startswith("timestamp")
        else str(column_type).replace("map<", "map<string, ")
    )
