"""Tokens of JSON judged as cells of a typed column are: what each kind of column takes, and what it refuses."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import msgspec
import polars as pl

from assets.validation.casts import EXACT_FLOAT

Kind = Literal["id", "text", "texts", "number"]
"""A text or a whole number; any scalar; a scalar, or a list of such; a number, which true and false are as well."""

UNUSUAL: dict[Kind, str] = {
    "id": r"^(?:[tf{\[]|-?[0-9]+[.eE])",
    "text": r"^(?:[{\[]|-?[0-9]+[.eE])",
    "texts": r"^(?:[{\[]|-?[0-9]+[.eE])",
    "number": "^[tf]",
}
"""Begins a token that has to be looked at: neither a text nor a whole number, as nearly all are."""

REFUSED = " refused"
"""Column of the names of columns that refuse the values of a row; the blank keeps it apart from those of files."""

BOOLEANS = {"true": "1", "false": "0"}


_VALUES = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True)
class Column:
    """A column that is read from the values of a field."""

    name: str
    field: str
    kind: Kind


def as_typed(tokens: pl.Series, kind: Kind) -> tuple[pl.Series, pl.Series]:
    """The tokens as a column of `kind` takes them, and whether it refuses them; refused ones stay as they are."""
    unusual = tokens.str.contains(UNUSUAL[kind]).fill_null(False).arg_true()
    refused = pl.Series(tokens.name, [False], dtype=pl.Boolean).new_from_index(0, len(tokens))
    if unusual.is_empty():
        return tokens, refused
    taken: Sequence[str | None] = [_taken(token, kind) for token in tokens.gather(unusual)]
    refused = refused.scatter(unusual, [token is None for token in taken])
    return tokens.scatter(unusual, [t or o for t, o in zip(taken, tokens.gather(unusual), strict=True)]), refused


def _taken(token: str, kind: Kind) -> str | None:
    """None for what is refused."""
    if kind == "number":
        return BOOLEANS[token]
    if token[0] == "{" or (token[0] == "[" and (kind != "texts" or _holds_object(token.encode()))):
        return None
    if token in BOOLEANS:
        return None if kind == "id" else token
    if token[0] == "[":
        return token
    number = Decimal(token)
    if abs(number) <= EXACT_FLOAT and number == int(number):
        return str(int(number))
    return None if kind == "id" else token


def _holds_object(token: bytes) -> bool:
    """Whether there is an object at any depth of a list."""
    return any(one[:1] == b"{" or (one[:1] == b"[" and _holds_object(one)) for one in map(bytes, _VALUES.decode(token)))
