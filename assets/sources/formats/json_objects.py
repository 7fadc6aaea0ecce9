"""JSON objects, one a line, split into the tokens of wanted values.

Values stay as they are written, so that numbers of any length are exact, and what nobody asked for is stepped over.
What Python alone writes (NaN, Infinity, halves of characters) is read by Python's own parser.
"""

import json
from collections.abc import Iterable, Sequence
from io import BytesIO
from operator import attrgetter
from typing import Any

import msgspec
import polars as pl

from assets.sources.formats.json_types import Column, as_typed

ABSENT, NULL = msgspec.Raw(b""), "null"
QUOTE, ESCAPE = '"', "\\"

UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)


class Splitter:
    """Args:
    fields: Names of values. Where no key has the whole name, a dot steps into an object, as in `user.id`, and a number
        into a list, as in `images.0`.
    columns: What is read from them, where that takes no value of any type.
    """

    def __init__(self, fields: Sequence[str], columns: Sequence[Column] = ()) -> None:
        self._columns = columns
        self._steps = {field: field.split(".") for field in fields}
        keys = dict.fromkeys(key for field, steps in self._steps.items() for key in (field, steps[0]))
        self._places = {key: f"key_{number}" for number, key in enumerate(keys)}
        slots = [(place, msgspec.Raw, ABSENT) for place in self._places.values()]
        renamed = {place: key for key, place in self._places.items()}
        self._object: Any = msgspec.defstruct("Line", slots, rename=renamed, gc=False)
        self._decode = msgspec.json.Decoder(self._object).decode

    def split(self, lines: pl.Series) -> tuple[pl.DataFrame, pl.Series, pl.Series]:
        """The text of each field of each line, null where there is none, whether the line is an object at all, and the
        names of columns that refuse their values, null where none does.

        The text of a string is without quotes and escapes, that of a list or object is JSON.
        """
        objects = [self._parsed(line) for line in lines]
        good = pl.Series([one is not None for one in objects], dtype=pl.Boolean)
        nothing = self._object()
        filled = [nothing if one is None else one for one in objects]
        tokens = {field: self._tokens(field, filled) for field in self._steps}
        mistyped = pl.DataFrame({"": pl.repeat(None, len(lines), dtype=pl.String, eager=True)})
        for column in self._columns:
            tokens[column.field], refused = as_typed(tokens[column.field], column.kind)
            if refused.any():
                name = pl.when(refused).then(pl.lit(column.name))
                mistyped = mistyped.select(pl.concat_str("", name, separator=", ", ignore_nulls=True).alias(""))
        named = mistyped.select(pl.when(pl.col("") != "").then(pl.col(""))).to_series()
        return pl.DataFrame([_texts(field, tokens[field]) for field in self._steps]), good, named

    def _parsed(self, line: str) -> Any:
        try:
            return self._decode(line)
        except UNREADABLE:
            return self._as_python_writes(line)

    def _as_python_writes(self, line: str) -> Any:
        try:
            loaded = json.loads(line, parse_int=_number, parse_float=_number, parse_constant=_constant)
            wanted = loaded.keys() & self._places.keys() if isinstance(loaded, dict) else None
            if wanted is None:
                return None
            return self._object(**{self._places[key]: msgspec.Raw(msgspec.json.encode(loaded[key])) for key in wanted})
        except UNREADABLE:
            return None

    def _tokens(self, field: str, objects: Sequence[Any]) -> pl.Series:
        tokens: Iterable[msgspec.Raw] = map(attrgetter(self._places[field]), objects)
        first, *further = self._steps[field]
        if further:
            outer = map(attrgetter(self._places[first]), objects)
            pairs = zip(tokens, outer, strict=True)
            tokens = (_within(around, further) if token is ABSENT else token for token, around in pairs)
        text = b"\n".join(tokens)
        # A last line that is empty would not be seen without an end of its own.
        return pl.read_lines(BytesIO(text + b"\n"), name=field)[field] if objects else pl.Series(field, [], pl.String)


def loaded(line: str) -> dict[str, Any]:
    """The object of a line as Python values; empty where there is none."""
    for parse in (msgspec.json.decode, json.loads):
        try:
            found = parse(line)
            return found if isinstance(found, dict) else {}
        except UNREADABLE:
            continue
    return {}


def has(value: Any, field: str) -> bool:
    """Whether there is something at the place of `field`, be it null; of a list any element will do."""
    if isinstance(value, dict) and field in value:
        return True
    for step in field.split("."):
        if isinstance(value, list) and step.isdecimal():
            return True
        if not isinstance(value, dict) or step not in value:
            return False
        value = value[step]
    return True


_ENTRIES = msgspec.json.Decoder(dict[str, msgspec.Raw] | list[msgspec.Raw])


def _within(token: msgspec.Raw, steps: Sequence[str]) -> msgspec.Raw:
    """The token that `steps` lead to from the object or list `token`."""
    for step in steps:
        try:
            entries = _ENTRIES.decode(token)
            token = entries[int(step)] if isinstance(entries, list) else entries[step]
        except (*UNREADABLE, LookupError):
            return ABSENT
    return token


def _texts(field: str, tokens: pl.Series) -> pl.Series:
    token = pl.col(field)
    string = token.str.starts_with(QUOTE)
    content = token.str.strip_prefix(QUOTE).str.strip_suffix(QUOTE)
    missing = token.is_in(["", NULL])
    texts = tokens.to_frame().select(pl.when(~missing).then(pl.when(string).then(content).otherwise(token)))[field]
    escaped = (tokens.str.starts_with(QUOTE) & tokens.str.contains(ESCAPE, literal=True)).arg_true()
    return texts.scatter(escaped, [msgspec.json.decode(one, type=str) for one in tokens.gather(escaped)])


def _number(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


def _constant(name: str) -> str | None:
    """NaN is how Python writes that there is no number; infinity is one that does not convert."""
    return None if name == "NaN" else name
