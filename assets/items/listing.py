"""Which days of the catalogue are whole: they list everything there is, so an item that is missing is gone.

Some catalogues come whole every day, some tell what changed, some come once. The profile says which, or it is judged by
the days themselves. A day that lacks many of the items listed before is taken for a file that was cut off: of it nobody
leaves.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from assets.sources.source import Snapshot
from assets.validation.casts import as_id
from assets.validation.quarantine import json_cell
from models.availability import CATALOGUE_DAYS_TABLE, PUT_ASIDE, WHOLE
from models.columns import DAY, ITEM_ID, ORIGIN, ROW
from storage.lake import Lake
from storage.schema import ID_DTYPES, ITEMS_TABLE, QUARANTINE_TABLE, IdType, Schema

ITEMS = "items"
LISTED = "listed"
MISSING = "missing"
UNREADABLE = "unreadable"
REPEATS = "repeats"

NUMBER = "number"
NEVER = int(np.iinfo(np.int32).min)


def catalogue_days_schema(id_type: IdType) -> Schema:
    """One row per day that names an item.

    So many `items` are named; of those `listed` before so many are `missing`. `put_aside` are the ids whose row was
    rejected, and count as named; rejected rows without an id are `unreadable`. A day `repeats` where it names nearly
    all that were listed, and where it is `whole`, what is missing is gone: of a day with `unreadable` rows nothing is.
    """
    return {
        DAY: pl.Date(),
        ITEMS: pl.Int64(),
        LISTED: pl.Int64(),
        MISSING: pl.Int64(),
        UNREADABLE: pl.Int64(),
        PUT_ASIDE: pl.List(ID_DTYPES[id_type]),
        REPEATS: pl.Boolean(),
        WHOLE: pl.Boolean(),
    }


@dataclass(frozen=True)
class ListingRules:
    """How days are judged.

    Attributes:
        snapshot: What the catalogue's files hold. `auto`: a day is whole where it repeats nearly all that was listed
            and the day before it did, too, so that of a single bulk of changes nobody leaves.
        max_gone_share: Share of the listed items that may leave at once.
    """

    snapshot: Snapshot
    max_gone_share: float

    def repeats(self, listed: int, missing: int) -> bool:
        """Whether a day names nearly all that was listed."""
        return listed > 0 and missing <= self.max_gone_share * listed

    def whole(self, listed: int, unreadable: int, repeats: bool, repeated_before: bool) -> bool:
        """Whether what a day does not name is gone. Among rows that cannot be read could be any item."""
        believed = repeats and not unreadable
        if self.snapshot == "full":
            return believed or not listed
        return self.snapshot == "auto" and believed and repeated_before

    def doubtful(self, days: pl.DataFrame) -> pl.DataFrame:
        """The rows of `days` (ascending, all there are) that seem to be meant whole and cannot be believed."""
        repeats = pl.col(REPEATS)
        meant = pl.col(LISTED) > 0 if self.snapshot == "full" else repeats | repeats.shift(1).fill_null(False)
        return days.filter(meant & ~(repeats & (pl.col(UNREADABLE) == 0)))


def judge_days(lake: Lake, first: date, rules: ListingRules, id_type: IdType) -> pl.DataFrame:
    """Judges the days of the table `items` from `first` on, writes the table `catalogue_days`, and returns it.

    What was decided about earlier days stays. Days that nothing was decided about yet are judged, too.
    """
    schema = catalogue_days_schema(id_type)
    if rules.snapshot == "changes":
        days = pl.DataFrame(schema=schema)
    else:
        items, rejected = lake.scan(ITEMS_TABLE).select(ITEM_ID, DAY), _rejected(lake, id_type)
        kept = _decided(lake, items, first, id_type)
        days = pl.concat([kept, _judged(items, rejected, kept, rules)])
    lake.overwrite(CATALOGUE_DAYS_TABLE, days)
    return days


def _decided(lake: Lake, items: pl.LazyFrame, first: date, id_type: IdType) -> pl.DataFrame:
    """The days before `first` without a gap, ascending: from the first that nothing was decided about all is judged."""
    if not lake.exists(CATALOGUE_DAYS_TABLE):
        return pl.DataFrame(schema=catalogue_days_schema(id_type))
    kept = lake.scan(CATALOGUE_DAYS_TABLE).filter(pl.col(DAY) < first).collect()
    there = items.select(pl.col(DAY).unique()).filter(pl.col(DAY) < first).collect()[DAY]
    gap = min(set(there) - set(kept[DAY]), default=first)
    kept = kept.filter(pl.col(DAY) < gap, pl.col(DAY).is_in(there.implode())).sort(DAY)
    return kept.select(pl.col(name).cast(dtype) for name, dtype in catalogue_days_schema(id_type).items())


def _rejected(lake: Lake, id_type: IdType) -> pl.DataFrame:
    """`day`, `item_id` of the quarantined rows of the catalogue, null where a row has no id that can be read."""
    nothing = pl.DataFrame(schema={DAY: pl.Date, ITEM_ID: ID_DTYPES[id_type]})
    if not lake.exists(QUARANTINE_TABLE):
        return nothing
    rows = lake.scan(QUARANTINE_TABLE).filter(pl.col(ORIGIN) == ITEMS_TABLE)
    texts = rows.select(DAY, json_cell(pl.col(ROW), ITEM_ID).alias(ITEM_ID))
    return texts.with_columns(as_id(ITEM_ID, pl.String(), id_type).alias(ITEM_ID)).collect()


def _judged(items: pl.LazyFrame, rejected: pl.DataFrame, kept: pl.DataFrame, rules: ListingRules) -> pl.DataFrame:
    """The days after those `kept`, ascending."""
    named = pl.concat([items, rejected.lazy().select(ITEM_ID, DAY).drop_nulls()])
    since = pl.lit(True) if kept.is_empty() else pl.col(DAY) > kept[DAY].max()
    later = named.filter(since).unique().collect().sort(DAY)
    shelf = _Shelf(named.filter(~since).group_by(ITEM_ID).agg(pl.col(DAY).max()).collect(), later[ITEM_ID], kept)
    rows = []
    for (day,), today in later.partition_by(DAY, as_dict=True, maintain_order=True).items():
        put_aside = rejected.filter(pl.col(DAY) == day)[ITEM_ID]
        counts = shelf.put(today, put_aside.null_count(), rules)
        rows.append({DAY: day, **counts, PUT_ASIDE: put_aside.drop_nulls().unique().sort().to_list()})
    return pl.DataFrame(rows, schema=kept.schema)


class _Shelf:
    """What is listed while the days go by.

    Args:
        last: `item_id`, `day`: when items were named last, before the days that follow.
        more: Items of those days.
        kept: The days before, as they were judged.
    """

    def __init__(self, last: pl.DataFrame, more: pl.Series, kept: pl.DataFrame) -> None:
        self._numbers = pl.concat([last[ITEM_ID], more]).unique().to_frame().with_row_index(NUMBER)
        self._last = np.full(self._numbers.height, NEVER)
        self._last[self._numbered(last)] = last[DAY].to_physical().to_numpy()
        whole = kept.filter(WHOLE)[DAY].to_physical().max()
        self._listed_since = NEVER + 1 if whole is None else whole
        self._repeated = bool(kept[REPEATS][-1]) if kept.height else False

    def put(self, today: pl.DataFrame, unreadable: int, rules: ListingRules) -> dict[str, int | bool]:
        """The counts and verdicts of the next day, all of whose items are `today`."""
        present = self._numbered(today)
        listed = self._last >= self._listed_since
        count = int(listed.sum())
        missing = count - int(listed[present].sum())
        repeats = rules.repeats(count, missing)
        whole = rules.whole(count, unreadable, repeats, self._repeated)
        day = today[DAY].to_physical()[0]
        self._last[present] = day
        self._listed_since = day if whole else self._listed_since
        self._repeated = repeats
        return {
            ITEMS: today.height,
            LISTED: count,
            MISSING: missing,
            UNREADABLE: unreadable,
            REPEATS: repeats,
            WHOLE: whole,
        }

    def _numbered(self, rows: pl.DataFrame) -> np.ndarray:
        return rows.join(self._numbers, on=ITEM_ID, how="left", maintain_order="left")[NUMBER].to_numpy()
