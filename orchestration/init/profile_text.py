"""A profile as YAML text, with what is behind each line as its comment."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import yaml

COMMENT_COLUMN = 60
SEAL = ": while nothing above is changed, `genrec init` may write this file anew"


@dataclass(frozen=True)
class Line:
    """One key of a profile, or a comment alone.

    Attributes:
        depth: How many keys it stands under.
        key: The key; empty for a comment alone.
        value: What it says; None where other lines stand under it.
        comment: Why.
    """

    depth: int
    key: str
    value: Any = None
    comment: str = ""


def written(lines: Iterable[Line]) -> str:
    """The lines as YAML."""
    return "".join(f"{_line(line)}\n" for line in lines)


def sealed(text: str) -> str:
    """`text` with a line that says that nobody has changed it."""
    return f"{text}# {_hash(text)}{SEAL}\n"


def is_sealed(text: str) -> bool:
    """Whether it is as `sealed` wrote it."""
    body, _, last = text.removesuffix("\n").rpartition("\n")
    return f"{last}\n" == sealed(f"{body}\n").removeprefix(f"{body}\n")


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:12]


def literal(text: str) -> str:
    """`text` as the value of a profile, where a dollar sign begins the name of a variable."""
    return text.replace("$", "$$")


def _line(line: Line) -> str:
    indent = "  " * line.depth
    if not line.key:
        return f"{indent}# {line.comment}"
    value = "" if line.value is None else f" {_inline(line.value)}"
    text = f"{indent}{_inline(line.key)}:{value}"
    return f"{text.ljust(COMMENT_COLUMN)} # {line.comment}" if line.comment else text


def _inline(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, sort_keys=False, width=float("inf"))
    return text.strip().removesuffix("...").strip()
