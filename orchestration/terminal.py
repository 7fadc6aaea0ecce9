"""The terminal, which prints texts as they are: brackets in a title or a path are no markup, colons no emoji."""

from typing import IO

from rich.console import Console


def new_console(file: IO[str] | None = None, *, stderr: bool = False, width: int | None = None) -> Console:
    """A console that takes no text for markup, in tables neither; styles are given apart (`style=`, `rich.text.Text`).

    Args:
        file: Where it prints; None: the standard output or, with `stderr`, the standard error.
        width: Columns; None: those of the terminal.
    """
    return Console(file=file, stderr=stderr, width=width, markup=False, emoji=False)
