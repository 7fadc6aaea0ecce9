"""How SIGINT and SIGTERM end a command: in good order where its work lets them, within seconds in any case.

Dagster and Ray put handlers of their own in the place of ours, and libraries swallow what a handler raises. None of
them touches the byte that Python itself writes for each signal (`signal.set_wakeup_fd`), so that byte is what counts.
"""

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

ENDING = (signal.SIGINT, signal.SIGTERM)

_watch: "_Watch | None" = None
"""Of this process; None while no signal is looked for."""


@contextmanager
def ended_by_signals(patience: float | None) -> Iterator[None]:
    """Lets SIGINT and SIGTERM raise KeyboardInterrupt in the block, also where the shell had them ignored.

    A block within another only sets how long a signal waits.

    Args:
        patience: Seconds after which the process ends although the block goes on; None where it has children to end.
    """
    global _watch
    if threading.current_thread() is not threading.main_thread():
        yield
    elif _watch:
        with _watch.waits(patience):
            yield
    else:
        _watch = _Watch(patience)
        try:
            yield
        finally:
            _watch.close()
            _watch = None


def received() -> signal.Signals | None:
    """The signal by which this process was told to end, whoever took it since."""
    try:
        came = _watch.signals.recv(4096, socket.MSG_PEEK | socket.MSG_DONTWAIT) if _watch else b""
    except BlockingIOError:
        return None
    return next((signal.Signals(number) for number in came if number in ENDING), None)


def end(number: signal.Signals) -> NoReturn:
    """Ends this process now, as a shell tells of that signal.

    The interpreter's own way out waits for threads, and crashes where a native one is still at work.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(128 + number)


class _Watch:
    """A thread that ends the process where a signal alone does not.

    Attributes:
        signals: Holds the bytes of signals; they are looked at and left there, so that every thread sees them.
    """

    def __init__(self, patience: float | None) -> None:
        self.signals, self._written = socket.socketpair()
        self._written.setblocking(False)
        self._patience, self._over, self._changed = patience, False, threading.Condition()
        self._wakeup = signal.set_wakeup_fd(self._written.fileno(), warn_on_full_buffer=False)
        self._handlers = {number: signal.signal(number, _interrupt) for number in ENDING}
        # Not 2 itself, which a run sends to its log.
        self._terminal = os.dup(2)
        self._thread = threading.Thread(target=self._end_in_time, daemon=True)
        self._thread.start()

    @contextmanager
    def waits(self, patience: float | None) -> Iterator[None]:
        """For the block, `patience` counts; if a signal has come before, from now on."""
        before = self._patience
        self._change(patience)
        try:
            yield
        finally:
            self._change(before)

    def close(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        self._change(None, over=True)
        self._written.close()
        self._thread.join()
        self.signals.close()
        os.close(self._terminal)

    def _change(self, patience: float | None, over: bool = False) -> None:
        with self._changed:
            self._patience, self._over = patience, over
            self._changed.notify()

    def _end_in_time(self) -> None:
        while first := self.signals.recv(1, socket.MSG_PEEK):
            if first[0] in ENDING:
                break
            self.signals.recv(1)
        with self._changed:
            while first and not self._over and self._changed.wait(self._patience):
                pass
            if not first or self._over:
                return
            patience = self._patience
        number = signal.Signals(first[0])
        # What a bar of progress hid is shown again.
        cursor = "\r\x1b[K\x1b[?25h" if os.isatty(self._terminal) else ""
        told = (
            f"{cursor}genrec: ended by {number.name}, at once: what was at work did not end within {patience:.0f} s\n"
        )
        os.write(self._terminal, f"{cursor}{told}".encode())
        os._exit(128 + number)


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


# A forked child shares the socket, and what ends the child does not end us.
os.register_at_fork(after_in_child=lambda: _watch and signal.set_wakeup_fd(-1))
