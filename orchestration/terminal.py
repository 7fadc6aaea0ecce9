"""The terminal, which prints texts as they are: brackets in a title or a path are no markup, colons no emoji."""

from typing import IO

from rich.console import Console

UNCUT = 1_000
"""Columns of a pipe or a file: what `grep` or a log reads is not folded into the width of a terminal."""


def new_console(file: IO[str] | None = None, *, stderr: bool = False, width: int | None = None) -> Console:
    """A console that takes no text for markup, in tables neither; styles are given apart (`style=`, `rich.text.Text`).

    Args:
        file: Where it prints; None: the standard output or, with `stderr`, the standard error.
        width: Columns; None: those of the terminal, or `UNCUT` where there is none.
    """
    console = Console(file=file, stderr=stderr, width=width, markup=False, emoji=False)
    if width is None and not console.is_terminal:
        console.width = UNCUT
    return console
