"""Where a user's own log and catalogue files are, and how their columns map onto the contract."""

import re
from datetime import date, timedelta
from typing import ClassVar, Literal, Self

from pydantic import Field, PrivateAttr, field_validator, model_validator

from assets.sources.formats.delimited import WHITESPACE
from assets.sources.formats.kinds import Format
from assets.sources.source import Snapshot, SourceError
from assets.validation.time_formats import TimeFormat
from assets.validation.times import Positions, TimestampUnit, TimeUnit
from models.columns import (
    ACTION,
    AVAILABLE_FROM,
    CATEGORIES,
    DESCRIPTION,
    IMAGE,
    IMAGE_BYTES,
    ITEM_ID,
    REQUEST_ID,
    SURFACE,
    TIMESTAMP,
    TITLE,
    USER_ID,
    VALUE,
)
from models.declared import DeclaredColumn, DeclaredColumns
from models.strict import Strict


class TableFilesSettings(Strict):
    """The files of one table."""

    contract: ClassVar[tuple[str, ...]]
    required: ClassVar[tuple[str, ...]]
    time: ClassVar[str]

    path: str = Field(
        min_length=1,
        description="File, folder or glob; `{day}` in it stands for a day (2026-01-31). Without `{day}` an event "
        "belongs to the UTC day of its time, and the catalogue, unless `once` or `changes`, to the first day of each "
        "run that reads it. Environment variables are expanded.",
    )
    format: Format = Field(
        default="auto",
        description="Format of the files; auto goes by the name's ending, or else by how a file begins. Literals are "
        "JSON Lines in which a line may also be a Python dictionary.",
    )
    delimiter: str | None = Field(
        default=None,
        min_length=1,
        description="What separates the fields of a CSV, such as `;`, or `::`, where quotes are marks like others; "
        "whitespace: any blanks and tabs; null: that of comma, tab, semicolon and bar with which its header has the "
        "mapped columns.",
    )
    quoted: bool = Field(
        default=True, description="Whether a field of a CSV may stand in quotes; if not, a quote is a mark like others."
    )
    decimal: Literal[".", ","] = Field(
        default=".", description="What stands before the decimals of a number in text, be it a time."
    )
    header: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="The columns of a CSV that has no header line."
    )
    nulls: tuple[str, ...] = Field(
        default=("\\N",),
        description="Words of a CSV that say that a field is empty, such as NULL; by default that of Hive and MySQL.",
    )
    encoding: str = Field(default="utf-8", description="Encoding of CSV and JSON Lines.")
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="Name of the contract's or a declared column to the file's column; a column that already has that "
        "name needs none.",
    )
    constants: dict[str, str | int | float] = Field(
        default_factory=dict, description="Name to a value that all rows have."
    )
    timestamp_unit: TimeUnit = Field(
        default="ms",
        description="Unit of a numeric time since 1970, as number or text, by which rows are told apart into days; "
        "iso: text of ISO 8601; rfc2822: text as mails have it.",
    )
    timestamp_format: str | None = Field(
        default=None,
        description="Form of a textual time in the directives of strftime, such as `%d.%m.%Y %H:%M`, in place of the "
        "unit.",
    )

    timestamp_columns: tuple[str, ...] = Field(
        default=(),
        description="Columns that hold a time together, in place of one: with blanks between them they are text in the "
        "form that `timestamp_format` or `timestamp_unit` names, such as `[year, month, day]` in `%Y %m %d`.",
    )

    @field_validator("encoding")
    @classmethod
    def _known(cls, encoding: str) -> str:
        try:
            "".encode(encoding)
        except LookupError:
            raise ValueError(f"there is no encoding {encoding!r}; use a name such as utf-8 or latin-1") from None
        return encoding

    @field_validator("timestamp_format")
    @classmethod
    def _names_a_moment(cls, form: str | None) -> str | None:
        if form is not None:
            TimeFormat(form)
        return form

    @model_validator(mode="after")
    def _unit_or_format(self) -> Self:
        if self.timestamp_format is not None and "timestamp_unit" in self.model_fields_set:
            raise ValueError("timestamp_unit and timestamp_format exclude each other: leave one out")
        return self

    @model_validator(mode="after")
    def _one_time(self) -> Self:
        if self.timestamp_columns and self.time in {*self.columns, *self.constants}:
            raise ValueError(f"timestamp_columns stand in place of {self.time}: leave one of them out")
        return self

    @field_validator("delimiter")
    @classmethod
    def _separates(cls, delimiter: str | None) -> str | None:
        if delimiter and len(delimiter) > 1 and delimiter != WHITESPACE and re.search(r"[\w\\]", delimiter):
            raise ValueError(
                f'{delimiter!r} is no delimiter: write the characters themselves, a tab as "\\t" in quotes'
            )
        return delimiter

    @model_validator(mode="after")
    def _quotes_by_one_character(self) -> Self:
        if self.quoted and "quoted" in self.model_fields_set and len(self.delimiter or "") > 1:
            raise ValueError(f"with {self.delimiter!r} between them fields stand in no quotes: leave `quoted` out")
        return self

    _declared: DeclaredColumns = PrivateAttr(default_factory=dict)

    @property
    def declared(self) -> DeclaredColumns:
        """The columns that the profile declares."""
        return self._declared

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that the table may have: the contract's and the declared ones."""
        return (*self.contract, *sorted(self.declared))

    def declaring(self, declared: DeclaredColumns) -> Self:
        """The same files with the columns that the profile declares."""
        files = self.model_copy()
        files._declared = declared
        return files

    @property
    def strange(self) -> list[str]:
        """Keys of columns that the table cannot have."""
        keys = [*(f"columns.{name}" for name in self.columns), *(f"constants.{name}" for name in self.constants)]
        return [key for key in keys if key.partition(".")[2] not in self.names]

    def unit(self, first_day: date) -> TimestampUnit:
        """What a numeric or textual time means.

        Args:
            first_day: First day of the profile.
        """
        return TimeFormat(self.timestamp_format) if self.timestamp_format else self.timestamp_unit

    def column(self, name: str) -> str:
        """The file's column that holds the column `name`."""
        return self.columns.get(name, name)

    @property
    def expected(self) -> dict[str, str]:
        """Name to the file's column, of those that are required or that the profile names."""
        named = (*self.required, *self.columns, *self.declared)
        elsewhere = {*self.constants, *((self.time,) if self.timestamp_columns else ())}
        names = [name for name in self.names if name in named and name not in elsewhere]
        parts = {f"timestamp_columns.{number}": column for number, column in enumerate(self.timestamp_columns)}
        return {name: self.column(name) for name in names} | parts


class EventFilesSettings(TableFilesSettings):
    """The event logs."""

    contract = (USER_ID, ITEM_ID, TIMESTAMP, ACTION, VALUE, SURFACE, REQUEST_ID)
    required = (USER_ID, ITEM_ID, TIMESTAMP, ACTION)
    time = TIMESTAMP

    ordinal: bool = Field(
        default=False,
        description="Whether the log has an order and no times: `timestamp` is then the place of an event in the order "
        "of its user (0, 1, ...), and where no column is mapped to it, that of its row.",
    )
    step: timedelta = Field(
        default=timedelta(days=1),
        gt=timedelta(0),
        description="How far apart two places of an `ordinal` log count to be; place 0 is the profile's first day.",
    )

    @model_validator(mode="after")
    def _places_or_times(self) -> Self:
        if not self.ordinal:
            return self
        if self.timestamp_format is not None or self.timestamp_columns or "timestamp_unit" in self.model_fields_set:
            raise ValueError("an ordinal log has no times: leave timestamp_unit, _format and _columns out")
        if "{day}" in self.path:
            raise ValueError("an ordinal log has no days: leave {day} out of its path")
        return self

    def unit(self, first_day: date) -> TimestampUnit:
        return Positions(first_day, self.step) if self.ordinal else super().unit(first_day)

    @property
    def expected(self) -> dict[str, str]:
        missing_time = self.ordinal and TIMESTAMP not in self.columns
        return {name: column for name, column in super().expected.items() if name != TIMESTAMP or not missing_time}


class ItemFilesSettings(TableFilesSettings):
    """The catalogue."""

    contract = (ITEM_ID, TITLE, DESCRIPTION, CATEGORIES, IMAGE, IMAGE_BYTES, AVAILABLE_FROM)
    required = (ITEM_ID,)
    time = AVAILABLE_FROM

    category_delimiter: str = Field(
        default="|", min_length=1, description="What separates categories that come as one text."
    )
    tags: tuple[str, ...] = Field(
        default=(),
        description="Columns that say what an item has in common with others, such as its brand or its directors: a "
        "text, a list, or names with `category_delimiter` between them.",
    )
    numbers: tuple[str, ...] = Field(
        default=(),
        description="Columns that hold a number of each item, such as its year or its price. What is counted later, "
        "such as sales, tells training of the future.",
    )
    once: bool = Field(
        default=False,
        description="Whether the catalogue was published once for all: an item without `available_from` then belongs "
        "to the profile's first day, and else, where the path has no `{day}`, to the first day of each run.",
    )
    snapshot: Snapshot = Field(
        default="auto",
        description="full: a day's rows are the whole catalogue, so what is missing is gone and leaves all answers; "
        "changes: they are what was added or changed, and nothing ever leaves; auto: full once the days, each with "
        "nearly all items of the day before, show it.",
    )

    @model_validator(mode="after")
    def _each_column_once(self) -> Self:
        named, columns = (*self.tags, *self.numbers), [self.column(name) for name in (*self.tags, *self.numbers)]
        if not all(map(str.strip, (*named, *columns))):
            raise ValueError("a name among tags and numbers is empty: write that of a column, or leave it out")
        for name, column in zip(named, columns, strict=True):
            if column == self.column(ITEM_ID):
                raise ValueError(
                    f"{name!r} among tags and numbers is the column of item_id, which no two items share: leave it out"
                )
            if name in self.contract or columns.count(column) > 1:
                raise ValueError(
                    f"{name!r} among tags and numbers is there twice, or is one of the contract's: name each column "
                    "once, by another name in `columns` where the contract has its own"
                )
        return self

    @property
    def declared(self) -> DeclaredColumns:
        """Its tags, which are categories, and its numbers."""
        tag, number = (DeclaredColumn(known="request", type=kind) for kind in ("category", "number"))
        return dict.fromkeys(self.tags, tag) | dict.fromkeys(self.numbers, number)

    @property
    def only_changes(self) -> bool:
        """Whether the files tell nothing of what is gone."""
        return self.once or self.snapshot == "changes"


class FilesSettings(Strict):
    """Logs and catalogue as Parquet, CSV or JSON Lines files, the latter two plain or gzip."""

    kind: Literal["files"]
    events: EventFilesSettings = Field(description="The event logs.")
    items: ItemFilesSettings | None = Field(
        default=None, description="The catalogue; without one the items are those that the events name."
    )

    def declaring(self, declared: DeclaredColumns) -> Self:
        """The same files with the columns of events that the profile declares.

        Raises:
            SourceError: a mapped column is neither of the contract nor declared.
        """
        files = self.model_copy(update={"events": self.events.declaring(declared)})
        for table, part in (("events", files.events), ("items", files.items)):
            if part is not None and part.strange:
                raise SourceError(
                    f"source.{table}.{part.strange[0]} is no column of the contract, which has "
                    f"{', '.join(part.contract)}; a column of events beside these is declared in quality.columns"
                )
        return files
