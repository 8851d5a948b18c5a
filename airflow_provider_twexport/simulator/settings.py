"""Switches that users set on the command line and change while the simulator runs."""

from __future__ import annotations

from typing import Annotated, Any, Self

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Amount = Annotated[float, msgspec.Meta(ge=0)]


def about(description: str) -> msgspec.Meta:
    """Describe a switch, for `--help` and for `GET /_control/`."""
    return msgspec.Meta(description=description)


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The switches of one service.

    Each is declared once, as a field with type, description and default; the command line, the checks, and the control
    plane follow from that. Their names are unique among all services.
    """

    def changed(self, changes: dict[str, Any]) -> Self:
        """Return the settings with some changes.

        :raises msgspec.ValidationError: on an unknown name or an invalid value, which it names.
        """
        return msgspec.convert({**self.to_json(), **changes}, type(self), strict=False)

    def to_json(self) -> dict[str, Any]:
        """Return the values by name."""
        return msgspec.structs.asdict(self)

    @classmethod
    def schema(cls) -> dict[str, dict[str, Any]]:
        """Return the JSON schema of each switch by name, with description and default."""
        properties: dict[str, dict[str, Any]] = msgspec.json.schema(cls)["$defs"][cls.__name__]["properties"]
        return properties
