"""Somebody's texts within Markdown, as pages of the UI show it: printed as they are, never a link, an image or HTML."""

import re

ACTIVE = re.compile(r"[\\`*\[\]<>|~&]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
"""What Markdown takes for more than itself within a line; an underscore within a word is none."""

ESCAPED = re.compile(r"\\([\\`*\[\]<>|~&_])")


def escaped(text: str) -> str:
    """`text` for Markdown, in one line."""
    return ACTIVE.sub(r"\\\g<0>", " ".join(text.split()))


def unescaped(markdown: str) -> str:
    """The text that `escaped` was given."""
    return ESCAPED.sub(r"\1", markdown)
