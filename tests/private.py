"""Whether what the platform wrote is for its user alone."""

from pathlib import Path


def open_to_others(folder: Path) -> list[Path]:
    """The files and folders in `folder`, itself included, that anybody but their owner may read, change or enter."""
    return [path for path in (folder, *folder.rglob("*")) if not path.is_symlink() and path.stat().st_mode & 0o077]
