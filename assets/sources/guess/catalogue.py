"""Which columns of a catalogue are the id, the title, the texts, the categories and the image."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import polars as pl

from assets.sources.files_settings import ItemFilesSettings
from assets.sources.guess import names
from assets.sources.guess.look import Look
from assets.sources.guess.measures import Decimal, are_measures, are_mostly_numbers, decimal_of, fits
from assets.sources.guess.reasons import Reasons
from assets.sources.guess.times import TimeGuess, guess_time
from assets.sources.guess.values import are_categories, are_numbers, are_titles, share
from assets.sources.guess.who_and_what import LEAST_FOUND, found_share
from assets.sources.source import SourceError
from models.columns import AVAILABLE_FROM, IMAGE

SEPARATORS = ("|", ">", ";", ",")
SEPARATED = 0.1
"""Share of the values that have to hold what separates categories."""

LONGEST_TITLE = 120
MOSTLY = 0.5
LONGEST_TAG = 60
CONTRACT = ItemFilesSettings.contract
TAG, ENTITY = r"</?[A-Za-z][^<>]*>", r"&#?[A-Za-z0-9]+;"
PICTURES = r"(?i)\.(jpe?g|png|webp|gif|bmp)$"
LOOKED_AT = 1_000
NO_TIMES = "its values are no times of one form"


@dataclass(frozen=True)
class Catalogue:
    """Columns of a catalogue, by the contract's names.

    Attributes:
        columns: Those that are proposed.
        separator: What separates categories in text; None where nothing does.
        found: Share of the log's items that it has.
        images: What was found of the pictures, where a column names some that cannot be read as they stand.
        tags: Columns of names that items share.
        numbers: Columns of numbers that tell items apart.
        decimal: What stands before the decimals of numbers, and of times that are such.
        otherwise: Columns of numbers that have the other mark before their decimals.
        held_back: Columns of either kind that seem to be counted once an item is there.
        times: How `available_from` is written; None where no column says since when items are there.
        left_out: Columns that cannot be what their name or their values seem to say, and why.
        why: The reason for each column.
    """

    columns: dict[str, str]
    separator: str | None
    found: float
    images: tuple[str, str] | None
    tags: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    decimal: Decimal = "."
    otherwise: tuple[str, ...] = ()
    held_back: tuple[str, ...] = ()
    times: TimeGuess | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)
    why: Reasons = field(default_factory=Reasons)

    def without(self, left_out: Mapping[str, str]) -> "Catalogue":
        """The same, but for columns of the file that are left out as well, and why."""
        return replace(
            self,
            columns={name: column for name, column in self.columns.items() if column not in left_out},
            times=None if self.columns.get(AVAILABLE_FROM) in left_out else self.times,
            tags=tuple(name for name in self.tags if name not in left_out),
            left_out={**self.left_out, **left_out},
        )


def guess_catalogue(look: Look, items: pl.Series, *, ordinal: bool = False) -> Catalogue:
    """What the file is as a catalogue of `items`, the ids of the log as text.

    Args:
        ordinal: Whether the log has an order and no times, so that nothing is said of a day.

    Raises:
        SourceError: no column holds their ids.
    """
    shares = {name: found_share(look, name, items) for name in look.names}
    key = max(shares, key=lambda name: (round(shares[name], 2), names.score(name, names.ITEM, names.NO_ID)))
    if shares[key] < LEAST_FOUND:
        _require_no_blanks(look, items)
        raise SourceError(
            f"no column of {look.path} holds the items of the log: {key!r} has most of them, {shares[key]:.0%}; leave "
            "the catalogue out, or name the one of this log"
        )
    columns, why = {"item_id": key}, Reasons({"item_id": f"it has {shares[key]:.1%} of the log's items"})
    free = [name for name in look.names if name != key and not look.texts[name].is_null().all()]
    texts = [name for name in free if not are_numbers(look.texts[name])]

    def take(role: str, candidates: list[str], fit: Callable[[str], float], reason: str, *, sure: bool = True) -> None:
        scores = {name: fit(name) for name in candidates if name not in columns.values()}
        best = max(scores, key=lambda name: scores[name], default=None)
        if best is not None and scores[best] > 0 and role not in columns:
            columns[role] = best
            why.add(role, reason, sure=sure)

    images = [name for name in texts if names.score(name, names.IMAGE) > 0 and _are_addresses(look.texts[name])]
    texts = [name for name in texts if name not in images]
    take("title", texts, lambda name: _title(look, name), "by its name; a short text")
    take("description", texts, lambda name: names.score(name, names.DESCRIPTION), "by its name; a text")
    if "title" not in columns and _short(look, columns.get("description")):
        columns["title"] = columns.pop("description")
        why.add("title", f"{why.told.pop('description')}, as short as a title")
    take(
        "title",
        [name for name in texts if not guess_time(look.texts[name])],
        lambda name: float(are_titles(look.texts[name]) and _short(look, name)),
        "by its values: words that nearly all differ",
        sure=False,
    )
    take(
        "categories",
        [n for n in free if n not in images],
        lambda name: names.score(name, names.CATEGORIES),
        "by its name",
    )
    if look.nameless:
        take(
            "categories",
            texts,
            lambda name: float(are_categories(look.texts[name], _separator(look.texts[name]))),
            "by its values: some few words",
            sure=False,
        )
    separator = _separator(look.texts[columns["categories"]]) if "categories" in columns else None
    unreadable = _unreadable(look, images[0]) if images else None
    if images and unreadable is None:
        columns["image"] = images[0]
        why.add("image", "files that are there")
    since, times, left_out = _since(look, ordinal=ordinal)
    if images and unreadable and images[0] == IMAGE:
        left_out[IMAGE] = unreadable
    if since and times:
        columns[AVAILABLE_FROM] = since
        why.add(AVAILABLE_FROM, "by its name; times")
    rest = [
        name for name in free if name not in {*columns.values(), *images, *CONTRACT} and not _points_elsewhere(name)
    ]
    known = [name for name in rest if not names.counted_afterwards(name)]
    decimal = "," if times and times.comma else decimal_of(look, known)
    numbers = tuple(name for name in known if are_measures(look.texts[name], _decimal(look, name, decimal)))
    tags = tuple(name for name in known if name not in numbers and _are_shared(look.texts[name], separator or "|"))
    late = [name for name in rest if name not in known]
    held_back = tuple(
        n for n in late if are_mostly_numbers(look.texts[n]) or _are_shared(look.texts[n], separator or "|")
    )
    why.add("tags", "names that items share")
    why.add("numbers", "numbers of each item; leave out what was counted after it came")
    return Catalogue(
        columns=columns,
        separator=separator,
        found=shares[key],
        images=(images[0], unreadable) if unreadable else None,
        tags=tags,
        numbers=numbers,
        decimal=decimal,
        otherwise=tuple(name for name in known if name not in numbers and _are_otherwise(look, name, decimal)),
        held_back=held_back,
        times=times,
        left_out=left_out,
        why=why,
    )


def _require_no_blanks(look: Look, items: pl.Series) -> None:
    """Raises SourceError where blanks alone set the ids of the log and those of a column apart."""
    for name in look.names:
        if share(items.str.strip_chars().is_in(look.texts[name].drop_nulls().unique().implode())) >= LEAST_FOUND:
            raise SourceError(
                f"the ids in {name!r} of {look.path} are those of the log but for blanks around them: take these out, "
                "for with them they name other items"
            )


def _since(look: Look, *, ordinal: bool) -> tuple[str | None, TimeGuess | None, dict[str, str]]:
    """The column that says since when an item is there, how it is written, and why one of that name is not read."""
    called = [name for name in look.names if names.words(name) == names.words(AVAILABLE_FROM)]
    name = AVAILABLE_FROM if AVAILABLE_FROM in called else next(iter(called), None)
    if name is None:
        return None, None, {}
    values = look.values(name)
    times = None if ordinal else _when(values)
    if times or name != AVAILABLE_FROM or values.is_null().all():
        return name, times, {}
    return name, None, {name: "an order has no days" if ordinal else NO_TIMES}


def _when(values: pl.Series) -> TimeGuess | None:
    """How they are written, if they are times, be they of years before there were logs."""
    return guess_time(values) or guess_time(values, any_year=True)


def _decimal(look: Look, name: str, decimal: Decimal) -> Decimal:
    """That of texts; numbers of a type of their own have a point."""
    return decimal if look.raw.schema[name] == pl.String else "."


def _are_otherwise(look: Look, name: str, decimal: Decimal) -> bool:
    """Whether they are numbers with the other mark alone."""
    other: Decimal = "." if decimal == "," else ","
    values = look.texts[name]
    return not fits(values, _decimal(look, name, decimal)) and are_measures(values, other)


def _points_elsewhere(name: str) -> bool:
    return bool(names.words(name) & {*names.KEY_WORDS, "url", "link"})


def _are_shared(values: pl.Series, separator: str) -> bool:
    """Whether most of the names stand at several items each, and there are several names."""
    if are_mostly_numbers(values) or _when(values) or _are_addresses(values):
        return False
    between = "," if share(values.drop_nulls().str.starts_with("[")) == 1 else separator
    parts = values.drop_nulls().str.strip_chars("[]").str.split(between).explode().str.strip_chars()
    counts = parts.drop_nulls().value_counts()["count"]
    short = share(parts.str.len_chars() <= LONGEST_TAG) == 1
    return short and len(counts) > 1 and int(counts.filter(counts > 1).sum()) > MOSTLY * len(parts)


def _title(look: Look, name: str) -> float:
    return names.score(name, names.TITLE, {"id": 2.0, "url": 2.0}) if _short(look, name) else 0.0


def _short(look: Look, name: str | None) -> bool:
    return name is not None and share(look.texts[name].drop_nulls().str.len_chars() <= LONGEST_TITLE) > MOSTLY


def _separator(values: pl.Series) -> str | None:
    there = values.drop_nulls()
    if share(there.str.starts_with("[")) == 1:
        return None
    # The marks of HTML separate nothing.
    plain = there.str.replace_all(TAG, "").str.replace_all(ENTITY, "")
    shares = {one: share(plain.str.contains(one, literal=True)) for one in SEPARATORS}
    return next((one for one in SEPARATORS if shares[one] >= SEPARATED), None)


def _are_addresses(values: pl.Series) -> bool:
    first = values.drop_nulls().head(LOOKED_AT)
    return share(first.str.contains(PICTURES) | first.str.contains("://", literal=True)) > MOSTLY


def _unreadable(look: Look, name: str) -> str | None:
    """What stands against the pictures of a column; None where half of them are files that are there."""
    first = look.texts[name].drop_nulls().head(LOOKED_AT)
    if (first.str.contains("://", literal=True)).any():
        return "addresses, which are off unless `content: {image: {download: true}}` lets them be fetched"
    there = sum((look.path.parent / path).is_file() for path in first)
    return None if there * 2 >= len(first) else f"{there:,} of {len(first):,} of its files are there"
