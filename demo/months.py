"""The months that the demo exports."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self


@dataclass(frozen=True)
class Month:
    """A calendar month in UTC."""

    year: int
    number: int

    @property
    def start(self) -> datetime:
        """The first moment of the month."""
        return datetime(self.year, self.number, 1, tzinfo=UTC)

    @property
    def stop(self) -> datetime:
        """The first moment of the next month."""
        return self._shifted(1).start

    @property
    def before(self) -> Self:
        """The month before."""
        return self._shifted(-1)

    def __str__(self) -> str:
        return f"{self.year}-{self.number:02}"

    def _shifted(self, months: int) -> Self:
        year, month = divmod(self.year * 12 + self.number - 1 + months, 12)
        return type(self)(year, month + 1)


def last_full_months(count: int, now: datetime) -> list[Month]:
    """Return the months that ended last, earliest first."""
    months = [Month(now.year, now.month).before]
    while len(months) < count:
        months.append(months[-1].before)
    return months[::-1]
