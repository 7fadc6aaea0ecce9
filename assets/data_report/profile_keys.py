"""How a profile calls what is wrong with a log."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from assets.sources.files import Files
from assets.sources.source import Source
from models.columns import TIMESTAMP

SOURCE = "source"


@dataclass(frozen=True)
class TableKeys:
    """The keys of a section that tells of the columns of a table.

    Attributes:
        section: Its path; of a published data set there is nothing below `source`.
        columns: What the files call columns that have another name here.
    """

    section: str = SOURCE
    columns: Mapping[str, str] = field(default_factory=dict)

    def key(self, name: str) -> str:
        """The key that says where the contract's column `name` comes from."""
        return f"{self.section}.columns.{name}" if self.section != SOURCE else SOURCE

    def column(self, name: str) -> str:
        """What the files call the contract's column `name`."""
        return self.columns.get(name, name)

    def contract(self, column: str) -> str:
        """The contract's name of a column of the files."""
        return next((name for name, theirs in self.columns.items() if theirs == column), column)


@dataclass(frozen=True)
class ProfileKeys:
    """The keys of a profile's section `source`.

    Attributes:
        times: What the section of events says of its times, by key.
        has_catalogue: Whether there is one; else the events name the items.
        ordinal: Whether the log has an order and no times, so that a day stands for a place in it.
    """

    events: TableKeys = field(default_factory=TableKeys)
    items: TableKeys = field(default_factory=TableKeys)
    times: Mapping[str, str] = field(default_factory=dict)
    has_catalogue: bool = True
    ordinal: bool = False

    @classmethod
    def of(cls, source: Source) -> "ProfileKeys":
        if not isinstance(source, Files) or source.shapes:
            return cls()
        events = source.settings.events
        times = {"timestamp_format": events.timestamp_format} if events.timestamp_format else {}
        return cls(
            events=TableKeys("source.events", source.columns("events")),
            items=TableKeys("source.items", source.columns("items")),
            times=times or {"timestamp_unit": events.timestamp_unit},
            has_catalogue=source.settings.items is not None,
            ordinal=events.ordinal,
        )

    @property
    def time_unit(self) -> str:
        """The key that says how times are written."""
        return f"{self.events.section}.{next(iter(self.times))}" if self.times else self.events.key(TIMESTAMP)
