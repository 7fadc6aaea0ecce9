"""Which columns of a catalogue are the id, the title, the texts, the categories and the image."""

from collections.abc import Callable
from dataclasses import dataclass, field

import polars as pl

from assets.sources.files_settings import ItemFilesSettings
from assets.sources.guess import names
from assets.sources.guess.look import Look
from assets.sources.guess.reasons import Reasons
from assets.sources.guess.times import guess_time
from assets.sources.guess.values import are_categories, are_numbers, are_titles, share
from assets.sources.guess.who_and_what import LEAST_FOUND, found_share
from assets.sources.source import SourceError

SEPARATORS = ("|", ">", ";", ",")
SEPARATED = 0.1
"""Share of the values that have to hold what separates categories."""

LONGEST_TITLE = 120
MOSTLY = 0.5
LONGEST_TAG = 60
LEAST_DIFFERENT = 3
REPEATED = 0.8
"""Of whole numbers that are more different, each names its item."""

CONTRACT = ItemFilesSettings.contract
PICTURES = r"(?i)\.(jpe?g|png|webp|gif|bmp)$"
LOOKED_AT = 1_000


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
        why: The reason for each column.
    """

    columns: dict[str, str]
    separator: str | None
    found: float
    images: tuple[str, str] | None
    tags: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    why: Reasons = field(default_factory=Reasons)


def guess_catalogue(look: Look, items: pl.Series) -> Catalogue:
    """What the file is as a catalogue of `items`, the ids of the log as text.

    Raises:
        SourceError: no column holds their ids.
    """
    shares = {name: found_share(look, name, items) for name in look.names}
    key = max(shares, key=lambda name: (round(shares[name], 2), names.score(name, names.ITEM, names.NO_ID)))
    if shares[key] < LEAST_FOUND:
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
    rest = [name for name in free if name not in {*columns.values(), *images, *CONTRACT} and _known_before(name)]
    numbers = tuple(name for name in rest if _are_measures(look.texts[name]))
    tags = tuple(name for name in rest if name not in numbers and _are_shared(look.texts[name], separator or "|"))
    why.add("tags", "names that items share")
    why.add("numbers", "numbers of each item; leave out what was counted after it came")
    return Catalogue(
        columns, separator, shares[key], (images[0], unreadable) if unreadable else None, tags, numbers, why
    )


def _known_before(name: str) -> bool:
    """Whether nothing in its name says that it was counted once the item was there, or points at something else."""
    return not names.words(name) & {*names.AFTERWARDS, *names.KEY_WORDS, "url", "link"}


def _are_measures(values: pl.Series) -> bool:
    """Whether they are numbers of which several items have the same, or that are not whole: no numbers of the rows."""
    there = values.drop_nulls()
    numbers = there.cast(pl.Float64, strict=False)
    if numbers.null_count() or not numbers.is_finite().all() or there.n_unique() < LEAST_DIFFERENT:
        return False
    return there.n_unique() <= REPEATED * len(there) or bool((numbers != numbers.floor()).any())


def _are_shared(values: pl.Series, separator: str) -> bool:
    """Whether most of the names stand at several items each, and there are several names."""
    if are_numbers(values) or guess_time(values) or _are_addresses(values):
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
    shares = {one: share(there.str.contains(one, literal=True)) for one in SEPARATORS}
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
