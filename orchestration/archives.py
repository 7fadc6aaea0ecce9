"""Archives from elsewhere, unpacked without a file ever landing outside the folder that it was meant for."""

import stat
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

ENDINGS = (".zip", ".tar.gz", ".tgz", ".tar")


def is_archive(name: str) -> bool:
    """Whether a file of that name holds files; a single file in gzip is none and is read as it is."""
    return name.lower().endswith(ENDINGS)


def unpack(archive: Path, folder: Path) -> None:
    """Unpacks a zip or tar archive into `folder`.

    Raises:
        ValueError: it is damaged, or a name in it leads out of `folder`.
    """
    try:
        if archive.name.lower().endswith(".zip"):
            _unzip(archive, folder)
        else:
            with tarfile.open(archive) as packed:
                packed.extractall(folder, filter="data")
    except tarfile.FilterError as error:
        raise ValueError(f"{archive.name} is not unpacked, because it writes outside its folder: {error}") from error
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise ValueError(f"{archive.name} is damaged ({error}): fetch it again") from error


def _unzip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as packed:
        for member in packed.infolist():
            name = PurePosixPath(member.filename.replace("\\", "/"))
            link = stat.S_ISLNK(member.external_attr >> 16)
            if name.is_absolute() or ".." in name.parts or ":" in "".join(name.parts[:1]) or link:
                raise ValueError(f"{archive.name} is not unpacked, because {member.filename!r} leads out of its folder")
        packed.extractall(folder)
