"""Switches that users set on the command line and change while the simulator runs."""

from __future__ import annotations

from typing import Annotated, Any, Self

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Amount = Annotated[float, msgspec.Meta(ge=0)]


def about(description: str, hostile: Any = None) -> msgspec.Meta:
    """Describe a switch, for `--help` and for `GET /_control/`.

    :param hostile: the value for `--hostile`; None if the switch is no behaviour that nobody has documented.
    """
    extra = {} if hostile is None else {"hostile": hostile}
    return msgspec.Meta(description=description, extra_json_schema=extra)


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
    def hostile(cls, on: bool = True) -> dict[str, Any]:
        """Return the changes that turn on each behaviour that nobody has documented, or off."""
        key = "hostile" if on else "default"
        return {name: schema[key] for name, schema in cls.schema().items() if "hostile" in schema}

    @classmethod
    def schema(cls) -> dict[str, dict[str, Any]]:
        """Return the JSON schema of each switch by name, with description and default."""
        properties: dict[str, dict[str, Any]] = msgspec.json.schema(cls)["$defs"][cls.__name__]["properties"]
        return properties
