"""How a command ends when something is wrong: in one sentence."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

EXPECTED = (ValueError, LookupError, RuntimeError, OSError)


@contextmanager
def sentences() -> Iterator[None]:
    """Ends the command with one sentence instead of a traceback; GENREC_TRACEBACK=1 shows both."""
    try:
        yield
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except EXPECTED as error:
        if os.environ.get("GENREC_TRACEBACK"):
            raise
        Console(stderr=True).print(f"[red]genrec:[/red] {error}", highlight=False, soft_wrap=True)
        raise SystemExit(1) from error
