"""Damage to lines and files of text."""

import gzip
import json
from collections.abc import Iterator
from random import Random

from tests.faults.corpus import (
    CSV,
    EVERYTHING,
    JSON_LINES,
    NOTHING,
    RATINGS,
    ROWS,
    Damaged,
    FileDamage,
    LineDamage,
    Text,
    damaged_files,
    damaged_lines,
)

STRANGE_NUMBERS = (
    *(
        "1e400",
        "-1e400",
        "NaN",
        "nan",
        "inf",
        "-inf",
        "Infinity",
        "0x10",
        "1_000",
        "\uff11\uff12",
        "\u0663",
        "1,5",
        "--1",
        "+5",
    ),
    *("-1", "-9223372036854775808", "9223372036854775807", "9223372036854775808", "18446744073709551616"),
    *("9" * 40, "-" + "9" * 40, "1." + "0" * 60, "1e-400", "1767312000", "1767312000000000", "", " ", "null", "None"),
)
STRANGE_TEXTS = (
    *("\u202egnp.exe", "e" + "\u0301" * 500, "👩‍👩‍👧‍👦" * 50, "\u2028", "\x85", "\ufeff", "\x0b", "\x1f", "\x7f"),
    *(
        "'; DROP TABLE events; --",
        "=1+1",
        "../../etc/passwd",
        "{day}",
        "*",
        "%s%n",
        "\\",
        "\\N",
        "NULL",
        "true",
        "\U0010ffff",
    ),
)
STRANGE_BYTES = (b"\xff\xfe", b"\xc3", b"\xe9", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xc0\xaf", b"\x80" * 40)


def flip(random: Random, line: bytes) -> bytes:
    place = random.randrange(len(line))
    return line[:place] + bytes([line[place] ^ 1 << random.randrange(8)]) + line[place + 1 :]


def put(what: bytes) -> LineDamage:
    def damage(random: Random, line: bytes) -> bytes:
        place = random.randint(0, len(line))
        return line[:place] + what + line[place:]

    return damage


def cut(random: Random, line: bytes) -> bytes:
    return line[: random.randint(1, len(line) - 1)]


def strange_bytes(random: Random, line: bytes) -> bytes:
    return put(random.choice(STRANGE_BYTES))(random, line)


def noise(random: Random, _: bytes) -> bytes:
    return random.randbytes(200).replace(b"\n", b"").replace(b'"', b"")


LINES: dict[str, LineDamage] = {
    "flipped bit": flip,
    "cut": cut,
    "stray quote": put(b'"'),
    "two stray quotes": put(b'""'),
    "NUL": put(b"\x00"),
    "carriage return": put(b"\r"),
    "line break": put(b"\n"),
    "blank": lambda random, line: random.choice([b"", b" ", b"\t  "]),
    "huge": lambda random, line: put(b"x" * 100_000)(random, line),
    "strange bytes": strange_bytes,
    "another encoding": lambda random, line: line.decode().encode("utf-16-le").replace(b"\n", b""),
    "noise": noise,
    "twice in one line": lambda random, line: line + line,
    "markup": lambda random, line: b"<html><body>502 Bad Gateway</body></html>",
}


def cells(value: str) -> LineDamage:
    """A cell of a line of CSV replaced."""

    def damage(random: Random, line: bytes) -> bytes:
        fields = line.split(b",")
        fields[random.randrange(len(fields))] = value.encode()
        return b",".join(fields)

    return damage


def fields(random: Random, line: bytes) -> bytes:
    parts = line.split(b",")
    return b",".join(parts * 2 if random.random() < 0.5 else parts[: random.randint(1, len(parts) - 1)])


CSV_LINES: dict[str, LineDamage] = {
    **LINES,
    "number of fields": fields,
    "strange number": lambda random, line: cells(random.choice(STRANGE_NUMBERS).replace(",", "."))(random, line),
    "strange text": lambda random, line: cells(random.choice(STRANGE_TEXTS))(random, line),
    "quoted comma": lambda random, line: cells('"a,b"')(random, line),
    "quoted line break": lambda random, line: cells('"a\nb"')(random, line),
    "quote within a field": lambda random, line: cells('a"b"c')(random, line),
    "only commas": lambda random, line: b"," * random.randint(1, 9),
}


def member(value: object) -> LineDamage:
    """A value of a JSON object replaced."""

    def damage(random: Random, line: bytes) -> bytes:
        row = json.loads(line)
        row[random.choice(list(row))] = value
        return json.dumps(row).encode()

    return damage


def literal(text: str) -> LineDamage:
    """A value of a JSON object replaced by text that need not be JSON."""

    def damage(random: Random, line: bytes) -> bytes:
        return member("@@")(random, line).replace(b'"@@"', text.encode())

    return damage


NESTED: tuple[object, ...] = (
    [],
    {},
    [1, [2, [3]]],
    {"a": {"b": [None]}},
    [None],
    ["user-10"],
    True,
    1.5,
    10**25,
    -(10**25),
    "",
    None,
)
LITERALS = (
    "NaN",
    "-Infinity",
    "1e999",
    "00012",
    "0x1F",
    "undefined",
    "'single'",
    '"\\ud800"',
    '"\\u0000"',
    '"\\q"',
    "1.",
)

JSON_LINE_DAMAGE: dict[str, LineDamage] = {
    **LINES,
    "nested": lambda random, line: member(random.choice(NESTED))(random, line),
    "literal": lambda random, line: literal(random.choice(LITERALS))(random, line),
    "strange number": lambda random, line: literal(random.choice(STRANGE_NUMBERS))(random, line),
    "strange text": lambda random, line: member(random.choice(STRANGE_TEXTS))(random, line),
    "no object": lambda random, line: random.choice([b"[1, 2]", b"7", b'"text"', b"null", b"[]", b"{}", b"{", b"}{"]),
    "deep": lambda random, line: member("@")(random, line).replace(b'"@"', b"[" * 5000 + b"]" * 5000),
    "deep and open": lambda random, line: b'{"user_id":' * 3000,
    "key twice": lambda random, line: line[:-1] + b', "user_id": "other"}',
    "trailing comma": lambda random, line: line[:-1] + b",}",
    "two objects": lambda random, line: line + b" " + line,
    "key missing": lambda random, line: json.dumps(dict(random.sample(list(json.loads(line).items()), 3))).encode(),
}


def any_cut(random: Random, text: Text) -> tuple[bytes, frozenset[int], bool, None]:
    content = text.joined()
    end = random.randint(len(text.joined([])) + 1, len(content) - 1)
    kept = content[:end].count(b"\n") - len(text.head)
    return content[:end], frozenset(range(kept, ROWS)), text.ending != "dat", None


def overwritten(random: Random, text: Text) -> tuple[bytes, frozenset[int], bool, None]:
    content, first = text.joined(), len(text.joined([]))
    start = random.randrange(first, len(content) - 40)
    end = start + random.randint(1, 40)
    before, until = (content[:place].count(b"\n") - len(text.head) for place in (start, end))
    damaged = content[:start] + bytes(end - start) + content[end:]
    return damaged, frozenset(range(before, until + 1)), text.ending != "dat", None


def repeated(random: Random, text: Text) -> tuple[bytes, frozenset[int], bool, int]:
    rows = [*text.rows, *random.choices(text.rows, k=5)]
    return text.joined(rows), NOTHING, text.ending != "dat", len(rows)


def shuffled(random: Random, text: Text) -> tuple[bytes, frozenset[int], bool, int]:
    return text.joined(random.sample(text.rows, ROWS)), NOTHING, True, ROWS


def with_blank_lines(random: Random, text: Text) -> tuple[bytes, frozenset[int], bool, int]:
    rows = [line for row in text.rows for line in (row, *[b""] * random.randrange(3))]
    return text.joined(rows) + b"\n \n", NOTHING, True, ROWS


def headless(random: Random, text: Text) -> tuple[bytes, frozenset[int], bool, None]:
    return text.joined()[random.randint(1, 60) :], EVERYTHING, False, None


FILES: dict[str, FileDamage] = {
    "cut off": any_cut,
    "overwritten with zeros": overwritten,
    "rows twice": repeated,
    "shuffled": shuffled,
    "blank lines": with_blank_lines,
    "beginning lost": headless,
}


def once(content: bytes, touched: frozenset[int], readable: bool, records: int | None = None) -> FileDamage:
    return lambda random, text: (content, touched, readable, records)


def whole(text: Text) -> dict[str, FileDamage]:
    """Damage that is done in one way only."""
    content, strict = text.joined(), text.ending != "dat"
    return {
        "byte order mark": once(b"\xef\xbb\xbf" + content, NOTHING, strict, ROWS),
        "CRLF": once(content.replace(b"\n", b"\r\n"), NOTHING, strict, ROWS),
        "no last line break": once(content.rstrip(b"\n"), NOTHING, True, ROWS),
        # What has no header has no other form for a quiet day.
        "empty": once(b"", EVERYTHING, text.ending == "jsonl", 0),
        "blank": once(b" \n\n\t\n", EVERYTHING, text.ending == "jsonl", 0),
        "NULs": once(bytes(3000), EVERYTHING, False),
        "UTF-16": once(content.decode().encode("utf-16"), EVERYTHING, False),
        "CR alone": once(content.replace(b"\n", b"\r"), EVERYTHING, False),
        "encoded twice": once(content.decode().encode().decode("latin-1").encode(), EVERYTHING, False),
        "Parquet by name only": once(b"PAR1" + content + b"PAR1", EVERYTHING, False),
        "compressed": once(gzip.compress(content, mtime=0), NOTHING, True, ROWS),
        "compressed in two members": once(
            gzip.compress(content[:200], mtime=0) + gzip.compress(content[200:], mtime=0), NOTHING, True, ROWS
        ),
        "compressed twice": once(gzip.compress(gzip.compress(content, mtime=0), mtime=0), EVERYTHING, False),
    }


CSV_FILES: dict[str, FileDamage] = {
    "only a header": once(CSV.joined([]), EVERYTHING, True, 0),
    "header twice": once(CSV.head[0] + b"\n" + CSV.joined(), NOTHING, True, ROWS + 1),
    "column twice": once(CSV.joined().replace(b"surface", b"user_id", 1), EVERYTHING, False),
    "column missing": once(CSV.joined().replace(b"user_id", b"user", 1), EVERYTHING, False),
    "semicolons": once(CSV.joined().replace(b",", b";"), EVERYTHING, False),
    "all quoted": once(
        CSV.joined([b",".join(b'"%s"' % cell for cell in row.split(b",")) for row in CSV.rows]), NOTHING, True, ROWS
    ),
    "one more column": once(b"\n".join(line + b",more" for line in CSV.joined().splitlines()), NOTHING, True, ROWS),
    "columns in another order": once(
        b"\n".join(b",".join(reversed(line.split(b","))) for line in CSV.joined().splitlines()), NOTHING, True, ROWS
    ),
}


def damaged_gzip(text: Text, times: int) -> Iterator[Damaged]:
    """Archives that are damaged: nothing in them can be trusted."""
    archive = gzip.compress(text.joined(), mtime=0)
    for number in range(times):
        random = Random(f"{text.ending} archive {number}")
        ending = f"{text.ending}.gz"
        yield Damaged(f"flipped {number}", ending, flip(random, archive), EVERYTHING)
        yield Damaged(f"cut {number}", ending, cut(random, archive), EVERYTHING)
        yield Damaged(f"rest {number}", ending, archive + random.randbytes(20), EVERYTHING)
        yield Damaged(f"in the middle {number}", ending, put(random.randbytes(3))(random, archive), EVERYTHING)
    yield Damaged("whole", f"{text.ending}.gz", archive, NOTHING, True, ROWS)
    yield Damaged("not compressed", f"{text.ending}.gz", text.joined(), NOTHING, True, ROWS)


def text_corpus() -> list[Damaged]:
    return [
        *damaged_lines(CSV, CSV_LINES, 6),
        *damaged_files(CSV, FILES, 5),
        *damaged_files(CSV, whole(CSV) | CSV_FILES, 1),
        *damaged_lines(JSON_LINES, JSON_LINE_DAMAGE, 5),
        *damaged_files(JSON_LINES, FILES, 4),
        *damaged_files(JSON_LINES, whole(JSON_LINES), 1),
        *damaged_lines(RATINGS, LINES, 3),
        *damaged_files(RATINGS, FILES, 3),
        *damaged_files(RATINGS, whole(RATINGS), 1),
        *damaged_gzip(CSV, 6),
        *damaged_gzip(JSON_LINES, 3),
    ]
