"""Lists that come as JSON text, from CSV or JSON Lines: their values as texts, as exact as they are written."""

import ast
import re

import msgspec
import polars as pl

PRINTED_ARRAY = re.compile(r"""['"]\s+['"]""")
"""An array of numpy has no commas when it is printed; Python would take its texts for one."""

_VALUES = msgspec.json.Decoder(list[msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)


def listed(text: pl.Expr) -> pl.Expr:
    """The values of a JSON list as texts, without nulls, those of lists within it among them.

    Null where `text` is no JSON list, or where an object is in it.
    """
    return text.map_batches(_listed, return_dtype=pl.List(pl.String), is_elementwise=True)


def _listed(texts: pl.Series) -> pl.Series:
    return pl.Series(texts.name, [_texts(text) for text in texts], dtype=pl.List(pl.String))


def _texts(text: str | None) -> list[str] | None:
    if text is None or not text.lstrip().startswith("["):
        return None
    try:
        return _flat(text.encode())
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _of_python(text)


def _of_python(text: str) -> list[str] | None:
    """The texts of a list as Python prints it, which is how pandas puts lists into a CSV."""
    try:
        values = None if PRINTED_ARRAY.search(text) else ast.literal_eval(text.strip())
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return values if isinstance(values, list) and all(isinstance(value, str) for value in values) else None


def _flat(token: bytes) -> list[str]:
    """Raises ValueError for what is no list of values, DecodeError for what is no JSON."""
    texts = list[str]()
    for value in map(bytes, _VALUES.decode(token)):
        match value[:1]:
            case b'"':
                texts.append(_TEXT.decode(value))
            case b"[":
                texts += _flat(value)
            case b"{":
                raise ValueError("an object is no value")
            case _ if value != b"null":
                texts.append(value.decode())
    return texts
