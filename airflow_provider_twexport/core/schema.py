"""How the typed columns of a service's results are declared: once, as plain data.

A type is ``string``, ``int64``, ``double``, ``timestamp`` (UTC, read from epoch milliseconds; 0 and -1 are null),
``timestamp<format>`` (UTC, read from a text, with the format as ``strptime`` knows it),
``map<int64>`` and ``map<double>`` (string keys), ``[type]`` for a list, ``{name: type}`` for a struct. In a path,
``name[]`` goes into each element of a list, and what is found there becomes one list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple


class Column(NamedTuple):
    """One column.

    :param name: in the file.
    :param type: as the module says.
    :param path: where in a result it is found, from the top.
    :param note: what a reader should know.
    """

    name: str
    type: Any
    path: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Schema:
    """The columns of one kind of result.

    :param name: of the kind; goes into each file's metadata.
    :param version: goes up when a column changes its type or meaning or goes away; a new column alone does not
        need it.
    :param columns: in the order of the file; the whole result, byte for byte, follows as ``raw``.
    """

    name: str
    version: int
    columns: tuple[Column, ...]

    def markdown(self) -> str:
        """Return the columns as a Markdown table."""
        lines = ["| column | type | found at | note |", "|---|---|---|---|"]
        lines += [
            f"| `{one.name}` | `{spelled(one.type)}` | `{one.path}` | {one.note} |" for one in self.columns
        ]
        lines.append("| `raw` | `string` | | the whole result, byte for byte |")
        return "\n".join(lines) + "\n"


def spelled(of: Any) -> str:
    """Return a type as people write it."""
    if isinstance(of, list):
        return f"list<{spelled(of[0])}>"
    if isinstance(of, dict):
        return f"struct<{', '.join(f'{name}: {spelled(inner)}' for name, inner in of.items())}>"
    return "timestamp[ms, UTC]" if of.startswith("timestamp") else str(of).replace("map<", "map<string, ")
