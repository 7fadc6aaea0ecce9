"""Who was forgotten: salted hashes of user ids, by which cleaning leaves out what later files say of them.

The id itself is nowhere. Nobody can list the forgotten; but who asks about one id can be told.
"""

import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

import numpy as np
import polars as pl

from assets.buckets import slots_of, user_hashes
from assets.privacy.ids_in_text import LONGEST, ids_in
from assets.validation.casts import as_id
from assets.validation.quarantine import cell_text
from models.columns import HASH_SLOT, MALFORMED, USER_ID
from storage.lake import Lake
from storage.schema import DIGEST, ID_DTYPES, SALT, SUPPRESSIONS_SCHEMA, SUPPRESSIONS_TABLE, IdType

IDS_AT_ONCE = 100_000
"""Parts of texts that are compared at a time: a long line has thousands."""


@dataclass(frozen=True)
class Forgotten:
    """The forgotten users of a lake.

    Attributes:
        table: SUPPRESSIONS_SCHEMA.
        id_type: The profile's type of ids.
        lengths: Fewest and most characters that an id of theirs has.
    """

    table: pl.DataFrame
    id_type: IdType
    lengths: tuple[int, int] = (1, LONGEST)

    @property
    def empty(self) -> bool:
        return self.table.is_empty()

    def without(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Raw `rows` less those of forgotten users."""
        if self.empty:
            return rows
        theirs = self.theirs(rows)
        return rows.filter(~theirs) if theirs.any() else rows

    def theirs(self, rows: pl.DataFrame) -> pl.Series:
        """(n,) bool whether each of raw `rows`, its `user_id` of any type, is of a forgotten user.

        A row that could not be parsed, or whose `user_id` is none, is theirs if it holds the id of one of them.
        """
        ids = pl.Series(USER_ID, [None], dtype=ID_DTYPES[self.id_type]).new_from_index(0, rows.height)
        theirs = pl.Series([False], dtype=pl.Boolean).new_from_index(0, rows.height)
        if USER_ID in rows.columns:
            ids = rows.with_columns(as_id(USER_ID, rows.schema[USER_ID], self.id_type).alias(USER_ID))[USER_ID]
            ids = ids.cast(ID_DTYPES[self.id_type])
            theirs = ids.is_in(self._among(ids).implode()).fill_null(False)
            unread = (ids.is_null() & rows[USER_ID].is_not_null()).arg_true()
            theirs = theirs.scatter(unread, theirs[unread] | self.in_texts(cell_text(rows[unread], USER_ID)))
        return theirs | self.in_texts(rows[MALFORMED]) if MALFORMED in rows.columns else theirs

    def in_texts(self, texts: pl.Series) -> pl.Series:
        """(n,) bool whether the id of a forgotten user stands in each of `texts`."""
        found = np.zeros(len(texts), bool)
        every = self._parts(texts)
        while parts := list(islice(every, IDS_AT_ONCE)):
            places, words = zip(*parts, strict=True)
            ids = _ids(pl.Series(USER_ID, words, dtype=pl.String), self.id_type)
            found[np.array(places)[ids.is_in(self._among(ids).implode()).fill_null(False).to_numpy()]] = True
        return pl.Series(texts.name, found, dtype=pl.Boolean)

    def _parts(self, texts: pl.Series) -> Iterator[tuple[int, str]]:
        """Of each text, by its place, what may be an id."""
        for place in texts.is_not_null().arg_true():
            for part in ids_in(texts[place], *self.lengths):
                yield place, part

    def _among(self, ids: pl.Series) -> pl.Series:
        """Those of `ids` that were forgotten."""
        there = ids.unique().drop_nulls()
        suspects = there.filter(pl.Series(np.isin(slots_of(user_hashes(there)), self.table[HASH_SLOT].to_numpy())))
        return pl.Series(USER_ID, [user for user in suspects if self.names(user)], dtype=ids.dtype)

    def names(self, user: str | int) -> bool:
        """Whether `user` was forgotten."""
        salts = self.table[SALT].unique()
        return any(digest_of(user, salt) in set(self.table[DIGEST]) for salt in salts)


def nobody(id_type: IdType) -> Forgotten:
    """Suppressions of nobody."""
    return Forgotten(pl.DataFrame(schema=SUPPRESSIONS_SCHEMA), id_type)


def only(user: str | int, id_type: IdType) -> Forgotten:
    """Suppressions as they would be if `user` were the only one who was forgotten."""
    length = len(str(user))
    return Forgotten(_entry(user, id_type, secrets.token_hex(16), ""), id_type, (length, length))


def read_suppressions(lake: Lake, id_type: IdType) -> Forgotten:
    """All suppressions of the lake; none before the first person was forgotten."""
    if not lake.exists(SUPPRESSIONS_TABLE):
        return nobody(id_type)
    return Forgotten(lake.scan(SUPPRESSIONS_TABLE).collect(), id_type)


def suppress(lake: Lake, user: str | int, id_type: IdType, reason: str) -> None:
    """Puts `user` on record; once is enough."""
    forgotten = read_suppressions(lake, id_type)
    if forgotten.names(user):
        return
    salt = forgotten.table[SALT][0] if forgotten.table.height else secrets.token_hex(16)
    entry = _entry(user, id_type, salt, reason)
    lake.overwrite(SUPPRESSIONS_TABLE, pl.concat([forgotten.table.select(entry.columns), entry]))


def _ids(texts: pl.Series, id_type: IdType) -> pl.Series:
    """The id that each text is written as; null where it is none."""
    if id_type == "string":
        return texts
    numbers = texts.cast(pl.Int64, strict=False)
    return pl.select(pl.when(numbers.cast(pl.String) == texts).then(numbers)).to_series().alias(texts.name)


def slot_of(user: str | int, id_type: IdType) -> int:
    return int(slots_of(user_hashes(pl.Series(USER_ID, [user], dtype=ID_DTYPES[id_type])))[0])


def _entry(user: str | int, id_type: IdType, salt: str, reason: str) -> pl.DataFrame:
    row = (slot_of(user, id_type), salt, digest_of(user, salt), datetime.now(UTC), reason)
    return pl.DataFrame([row], schema=SUPPRESSIONS_SCHEMA, orient="row")


def digest_of(user: str | int, salt: str) -> str:
    """SHA-256 of salt and id, hexadecimal."""
    return hashlib.sha256(f"{salt}:{user}".encode()).hexdigest()
