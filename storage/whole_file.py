"""Small files that a reader finds whole: as they were, or as they are now."""

from pathlib import Path
from uuid import uuid4

SECRET = 0o600
"""The mode of a file that only its user may read, such as one with a token or credentials."""


def write_whole(path: Path, text: str, mode: int = 0o666) -> None:
    """Replaces a file by one that holds `text`, in UTF-8.

    Args:
        mode: Of the new file, less the process's mask.
    """
    draft = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        draft.touch(mode)
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
