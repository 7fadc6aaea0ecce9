"""Where an id stands in text that is not a table: in a line that was cut off, in JSON, in a page.

An id is looked for whole, whatever characters it has: only what stands before and after it tells whether it is one of
its own or a part of another.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator

LONG = 12
"""Characters of an id that does not turn up by chance, so that any mark may end it; a shorter one stands between the
delimiters of delimited text and JSON."""

LONGEST = 256
"""Characters of an id that is found without knowing it."""

DELIMITER = re.compile(r"[\s,;|\"'{}\[\]():=]")
MARK = re.compile(r"[^0-9A-Za-z_-]")

ESCAPE = re.compile(r"(?:\\u[0-9A-Fa-f]{4})+|\\[\"'\\/bfnrt]")
NESTED_ESCAPES = 3
"""JSON is a text within JSON, and so on, no deeper than this."""

WHOLE_FLOAT = re.compile(r"(?<![\w.])([0-9]+)\.0+(?![\w.])")

CONTROLS = {"\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t"}


def ids_in(text: str, fewest: int = 1, most: int = LONGEST) -> Iterator[str]:
    """Every part of `text` that can be an id of `fewest` to `most` characters; some more than once.

    Parts are taken from the text as it is, and as it was before it was escaped: as JSON, or as a field of a CSV.
    """
    for reading in _readings(text):
        for shortest, longest, mark in ((fewest, min(most, LONG - 1), DELIMITER), (max(fewest, LONG), most, MARK)):
            if shortest <= longest:
                yield from _between(mark, reading, shortest, longest)


def mention(user: str | int) -> str:
    """A regular expression, of Python and of Polars, of an id between any marks, escaped or not."""
    return rf"(?:^|{MARK.pattern}){written(user)}(?:{MARK.pattern}|$)"


def written(user: str | int) -> str:
    """A regular expression of an id as itself, and as JSON or CSV escapes it, at whatever depth."""
    number = r"(?:\.0+)?" if isinstance(user, int) else ""
    return "".join(map(_character, str(user))) + number


def _readings(text: str) -> dict[str, None]:
    """Distinct texts that `text` may stand for."""
    readings = {text: None, text.replace('""', '"'): None}
    unescaped = text
    for _ in range(NESTED_ESCAPES):
        unescaped = ESCAPE.sub(_unescaped, unescaped).encode(errors="replace").decode()
        readings[unescaped] = None
    return readings | {WHOLE_FLOAT.sub(r"\1", reading): None for reading in readings}


def _unescaped(escape: re.Match[str]) -> str:
    return "'" if escape[0] == r"\'" else str(json.loads(f'"{escape[0]}"'))


def _between(mark: re.Pattern[str], text: str, fewest: int, most: int) -> Iterator[str]:
    """The parts between any two of `mark`, with whatever is within."""
    places = [place.start() for place in mark.finditer(text)]
    starts, ends = [0, *(place + 1 for place in places)], [*places, len(text)]
    first = 0
    for start in starts:
        while first < len(ends) and ends[first] < start + fewest:
            first += 1
        for place in range(first, bisect_right(ends, start + most)):
            yield text[start : ends[place]]


def _character(one: str) -> str:
    if one.isascii() and (one.isalnum() or one in "_-"):
        return one
    units = one.encode("utf-16-be").hex()
    coded = "".join(rf"\\+(?i:u{units[at : at + 4]})" for at in range(0, len(units), 4))
    if not one.isascii():
        return f"(?:{one}|{coded})"
    literal = rf"\x{ord(one):02x}"
    if one in CONTROLS:
        return rf"(?:{literal}|\\+{CONTROLS[one]}|{coded})"
    return rf'(?:""|\\*"|{coded})' if one == '"' else rf"(?:\\*{literal}|{coded})"
