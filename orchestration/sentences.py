"""How a command ends when something is wrong: in one sentence."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from rich.text import Text

from orchestration.terminal import new_console

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
        new_console(stderr=True).print(Text.assemble(("genrec:", "red"), f" {error}"), soft_wrap=True)
        raise SystemExit(1) from error
