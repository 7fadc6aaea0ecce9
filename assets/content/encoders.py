"""What text and image encoders share: how they fail, how they report progress, how weights on disk are named."""

from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

Progress = Callable[[str], None]


class EncoderUnavailable(RuntimeError):
    """An encoder's weights cannot be loaded; the message says what to set instead."""


def silent(_line: str) -> None:
    """Progress that nobody reads."""


def fingerprint(path: Path) -> str:
    """Changes when a weights file or folder is exchanged: names, sizes and times of its files."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    stats = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.is_file()]
    return blake2b(repr(stats).encode(), digest_size=8).hexdigest()


def first_line(error: Exception) -> str:
    """What a library's error says, short enough for a sentence."""
    return str(error).strip().split("\n")[0][:200] or type(error).__name__
