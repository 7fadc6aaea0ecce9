"""Who was forgotten: salted hashes of user ids, by which cleaning leaves out what later files say of them.

The id itself is nowhere. Nobody can list the forgotten; whoever asks about one id can be told.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import polars as pl

from assets.buckets import slots_of, user_hashes
from assets.quality.casts import as_id
from models.columns import MALFORMED, REASON, SLOT, USER_ID
from storage.lake import Lake
from storage.schema import ID_DTYPES, TIME, IdType, Schema

SUPPRESSIONS_TABLE = "suppressions"

WORD = r"[^\s,;|\"'{}\[\]():=]+"
"""What lies between the delimiters of delimited text and JSON."""

SALT, DIGEST, AT = "salt", "digest", "at"

SUPPRESSIONS_SCHEMA: Schema = {
    SLOT: pl.Int16(),
    SALT: pl.String(),
    DIGEST: pl.String(),
    AT: TIME,
    REASON: pl.String(),
}
"""One row per forgotten user. `slot` is the part of the users that he belongs to, one of 4096, so that few other ids
have to be hashed to find him."""


@dataclass(frozen=True)
class Forgotten:
    """The forgotten users of a lake."""

    table: pl.DataFrame
    id_type: IdType

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

        A row that could not be parsed is somebody's whose id stands in it as a word.
        """
        ids = pl.Series(USER_ID, [None], dtype=ID_DTYPES[self.id_type]).new_from_index(0, rows.height)
        if USER_ID in rows.columns:
            ids = rows.select(as_id(USER_ID, rows.schema[USER_ID], self.id_type)).to_series().cast(ids.dtype)
        theirs = ids.is_in(self._among(ids).implode()).fill_null(False)
        if MALFORMED in rows.columns and rows[MALFORMED].null_count() < rows.height:
            words = words_of(rows[MALFORMED], self.id_type)
            named = self._among(words.explode())
            theirs |= words.list.set_intersection(named.implode()).list.len().fill_null(0) > 0
        return theirs

    def _among(self, ids: pl.Series) -> pl.Series:
        """Those of `ids` that were forgotten."""
        there = ids.unique().drop_nulls()
        suspects = there.filter(pl.Series(np.isin(slots_of(user_hashes(there)), self.table[SLOT].to_numpy())))
        return pl.Series(USER_ID, [user for user in suspects if self.names(user)], dtype=ids.dtype)

    def names(self, user: str | int) -> bool:
        """Whether `user` was forgotten."""
        salts = self.table[SALT].unique()
        return any(digest_of(user, salt) in set(self.table[DIGEST]) for salt in salts)


def nobody(id_type: IdType) -> Forgotten:
    return Forgotten(pl.DataFrame(schema=SUPPRESSIONS_SCHEMA), id_type)


def only(user: str | int, id_type: IdType) -> Forgotten:
    """As if `user` were the only one who was forgotten."""
    return Forgotten(_entry(user, id_type, secrets.token_hex(16), ""), id_type)


def read_suppressions(lake: Lake, id_type: IdType) -> Forgotten:
    """Nobody before the first was forgotten."""
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


def words_of(texts: pl.Series, id_type: IdType) -> pl.Series:
    """The words of each text that can be ids, as a list of ids."""
    words = texts.str.extract_all(WORD)
    if id_type == "string":
        return words
    numbers = pl.element().cast(pl.Int64, strict=False)
    exact = pl.when(numbers.cast(pl.String) == pl.element()).then(numbers)
    return words.to_frame().select(pl.col(words.name).list.eval(exact).list.drop_nulls()).to_series()


def slot_of(user: str | int, id_type: IdType) -> int:
    return int(slots_of(user_hashes(pl.Series(USER_ID, [user], dtype=ID_DTYPES[id_type])))[0])


def _entry(user: str | int, id_type: IdType, salt: str, reason: str) -> pl.DataFrame:
    row = (slot_of(user, id_type), salt, digest_of(user, salt), datetime.now(UTC), reason)
    return pl.DataFrame([row], schema=SUPPRESSIONS_SCHEMA, orient="row")


def digest_of(user: str | int, salt: str) -> str:
    """SHA-256 of salt and id, hexadecimal."""
    return hashlib.sha256(f"{salt}:{user}".encode()).hexdigest()
