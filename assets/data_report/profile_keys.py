"""How a profile calls what is wrong with a log."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from assets.sources.files import Files
from assets.sources.files_settings import TableFilesSettings
from assets.sources.source import Source
from models.columns import TIMESTAMP

SOURCE = "source"


@dataclass(frozen=True)
class TableKeys:
    """The keys of a section that tells of the columns of a table.

    Attributes:
        section: Its path; of a published data set there is nothing below `source`.
        columns: What the files call columns that have another name here.
        times: What the section says of its times, by key.
        decimal: What stands before the decimals of numbers in text.
    """

    section: str = SOURCE
    columns: Mapping[str, str] = field(default_factory=dict)
    times: Mapping[str, str] = field(default_factory=dict)
    decimal: str = "."

    def key(self, name: str) -> str:
        """The key that says where the contract's column `name` comes from."""
        return f"{self.section}.columns.{name}" if self.section != SOURCE else SOURCE

    def column(self, name: str) -> str:
        """What the files call the contract's column `name`."""
        return self.columns.get(name, name)

    def contract(self, column: str) -> str:
        """The contract's name of a column of the files."""
        return next((name for name, theirs in self.columns.items() if theirs == column), column)

    @property
    def time_unit(self) -> str:
        """The key that says how times are written."""
        return f"{self.section}.{next(iter(self.times))}" if self.times else self.key(TIMESTAMP)


NO_CATALOGUE = TableKeys("source.items")


@dataclass(frozen=True)
class ProfileKeys:
    """The keys of a profile's section `source`.

    Attributes:
        has_catalogue: Whether there is one; else the events name the items.
        ordinal: Whether the log has an order and no times, so that a day stands for a place in it.
        tags, numbers: The columns of the catalogue that the profile names as such.
    """

    events: TableKeys = field(default_factory=TableKeys)
    items: TableKeys = field(default_factory=TableKeys)
    has_catalogue: bool = True
    ordinal: bool = False
    tags: Sequence[str] = ()
    numbers: Sequence[str] = ()

    @classmethod
    def of(cls, source: Source) -> "ProfileKeys":
        if not isinstance(source, Files) or source.shapes:
            return cls()
        events, items = source.settings.events, source.settings.items
        return cls(
            events=TableKeys("source.events", source.columns("events"), _times(events), events.decimal),
            items=TableKeys("source.items", items.columns, _times(items), items.decimal) if items else NO_CATALOGUE,
            has_catalogue=items is not None,
            ordinal=events.ordinal,
            tags=items.tags if items else (),
            numbers=items.numbers if items else (),
        )


def _times(files: TableFilesSettings) -> Mapping[str, str]:
    if files.timestamp_format:
        return {"timestamp_format": files.timestamp_format}
    return {"timestamp_unit": files.timestamp_unit}
