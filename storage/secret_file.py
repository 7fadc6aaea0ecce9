"""A file with a secret, such as a token or credentials."""

from pathlib import Path
from uuid import uuid4


def write_secret(path: Path, text: str) -> None:
    """Writes a file that its user alone reads; readers see the old text or the new one, whole."""
    draft = path.with_name(f".{path.name}.{uuid4().hex}")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(path)
