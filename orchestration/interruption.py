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

_signals: socket.socket | None = None
"""Holds the bytes of signals; they are looked at and left there, so that every thread sees them."""


@contextmanager
def ended_by_signals(patience: float | None) -> Iterator[None]:
    """Lets SIGINT and SIGTERM raise KeyboardInterrupt in the block, also where the shell had them ignored.

    A block in another has its own patience, and keeps what came in it to itself.

    Args:
        patience: Seconds after which the process ends although the block goes on; None where it has children to end.
    """
    global _signals
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    around = _signals
    _signals, written = socket.socketpair()
    written.setblocking(False)
    over = threading.Event()
    wakeup = signal.set_wakeup_fd(written.fileno(), warn_on_full_buffer=False)
    handlers = {number: signal.signal(number, _interrupt) for number in ENDING}
    # Not 2 itself, which a run sends to its log.
    terminal = os.dup(2)
    watcher = threading.Thread(target=_watch, args=(_signals, over, patience, terminal), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup)
        written.close()
        watcher.join()
        _signals.close()
        _signals = around
        os.close(terminal)


def received() -> signal.Signals | None:
    """The signal by which this process was told to end, whoever handled it since."""
    try:
        came = _signals.recv(4096, socket.MSG_PEEK | socket.MSG_DONTWAIT) if _signals else b""
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


def _watch(signals: socket.socket, over: threading.Event, patience: float | None, terminal: int) -> None:
    while first := signals.recv(1, socket.MSG_PEEK):
        if first[0] in ENDING:
            break
        signals.recv(1)
    if not first or over.wait(patience):
        return
    number = signal.Signals(first[0])
    # What a bar of progress hid is shown again.
    cursor = "\r\x1b[K\x1b[?25h" if os.isatty(terminal) else ""
    told = f"{cursor}genrec: ended by {number.name}, at once: what was at work did not end within {patience:.0f} s\n"
    os.write(terminal, told.encode())
    os._exit(128 + number)


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


# A forked child shares the socket, and what ends the child does not end us.
os.register_at_fork(after_in_child=lambda: _signals and signal.set_wakeup_fd(-1))
