"""How a profile calls what is wrong with a log."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from assets.sources.files import Files
from assets.sources.source import Source
from models.columns import TIMESTAMP

SOURCE = "source"


@dataclass(frozen=True)
class ProfileKeys:
    """The keys of a profile's `source` that tell of columns; of a published data set there are none but `source`.

    Attributes:
        events, items: The sections of both tables.
        event_columns, item_columns: What the files call columns that have another name here.
        times: What the section of events says of its times, by key.
        has_catalogue: Whether there is one; else the events name the items.
    """

    events: str = SOURCE
    items: str = SOURCE
    event_columns: Mapping[str, str] = field(default_factory=dict)
    item_columns: Mapping[str, str] = field(default_factory=dict)
    times: Mapping[str, str] = field(default_factory=dict)
    has_catalogue: bool = True

    @classmethod
    def of(cls, source: Source) -> "ProfileKeys":
        if not isinstance(source, Files) or source.shapes:
            return cls()
        events = source.settings.events
        times = {"timestamp_format": events.timestamp_format} if events.timestamp_format else {}
        return cls(
            events="source.events",
            items="source.items",
            event_columns=source.columns("events"),
            item_columns=source.columns("items"),
            times=times or {"timestamp_unit": events.timestamp_unit},
            has_catalogue=source.settings.items is not None,
        )

    def column(self, name: str) -> str:
        """What the files of events call the contract's column `name`."""
        return self.event_columns.get(name, name)

    def contract(self, column: str) -> str:
        """The contract's name of a column of the files of events."""
        return next((name for name, theirs in self.event_columns.items() if theirs == column), column)

    def event(self, name: str) -> str:
        """The key that says where the contract's column `name` of events comes from."""
        return f"{self.events}.columns.{name}" if self.events != SOURCE else SOURCE

    def item(self, name: str) -> str:
        """The same of items."""
        return f"{self.items}.columns.{name}" if self.items != SOURCE else SOURCE

    @property
    def time_unit(self) -> str:
        """The key that says how times are written."""
        return f"{self.events}.{next(iter(self.times))}" if self.times else self.event(TIMESTAMP)

    def told(self, key: str) -> str | None:
        """What the profile says of times under `key`."""
        return self.times.get(key)
