"""How a command ends when something is wrong: in one sentence."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from orchestration import interruption

EXPECTED = (ValueError, LookupError, RuntimeError, OSError)
PATIENCE = 5.0


@contextmanager
def errors_as_sentences(patience: float | None = PATIENCE) -> Iterator[None]:
    """Ends the command with one sentence instead of a traceback; GENREC_TRACEBACK=1 shows both.

    SIGINT and SIGTERM end it with 130 and 143.

    Args:
        patience: Seconds that a command which was told to end gets to do so; None where it has children to end.
    """
    # An import in the block around this one may have swallowed what a signal raised: nothing begins after it.
    _end_if_told()
    with interruption.ended_by_signals(patience):
        try:
            yield
        except KeyboardInterrupt:
            _end_if_told()
            raise SystemExit(130) from None
        except EXPECTED as error:
            told = _sentence(error)
            _end_if_told(f": {told}")
            if os.environ.get("GENREC_TRACEBACK"):
                raise
            _say(f" {told}")
            raise SystemExit(1) from error
        except BaseException:
            _end_if_told()
            raise
        _end_if_told()


def _end_if_told(more: str = "") -> None:
    if number := interruption.received():
        # A second one must not end this in a traceback.
        for each in interruption.ENDING:
            signal.signal(each, signal.SIG_IGN)
        _say(f" ended by {number.name}{more}")
        interruption.end(number)


def _sentence(error: Exception) -> str:
    if isinstance(error, ValueError):
        from pydantic import ValidationError

        from models.strict import sentence

        if isinstance(error, ValidationError):
            return sentence(error)
    return str(error)


def _say(sentence: str) -> None:
    # A command that has not begun yet is ended by a signal sooner than this is imported.
    from rich.text import Text

    from orchestration.terminal import new_console

    new_console(stderr=True).print(Text.assemble(("genrec:", "red"), sentence), soft_wrap=True)
