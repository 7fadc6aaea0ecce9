"""Looks at the files, writes the profile, and says what was guessed."""

from collections.abc import Callable
from pathlib import Path

from assets.sources.source import SourceError
from orchestration.init.guess import guess
from orchestration.init.ports import ports_to_name
from orchestration.init.profile_text import written
from orchestration.init.proposal import profile_lines
from orchestration.profile import load_profile, spelled

TOO_COMMON = ("events", "event", "log", "logs", "train", "data", "ratings", "interactions", "clicks", "reviews")
"""Names of files after which no profile is called, but after their folder."""


def write_profile(log: Path, catalogue: Path | None, out: Path | None, tell: Callable[[str], None]) -> Path:
    """Writes the profile that reads `log` and `catalogue`, and returns where it is.

    Args:
        out: Where it goes; by default a file of the log's name in the working directory.

    Raises:
        SourceError: the files cannot be read, or nothing can be recommended from them.
        FileExistsError: there is such a file already.
    """
    for path in (log, catalogue):
        if path is not None and not path.is_file():
            raise SourceError(
                f"{path} is no file: name the file of events, and after it that of items, if there is one"
            )
    out = out or Path(f"{_name(log)}.yaml")
    if out.suffix not in (".yaml", ".yml"):
        raise SourceError(f"{out} does not end with .yaml: a profile is such a file")
    if out.exists():
        raise FileExistsError(f"{out} is there already: name another file with --profile, or move it away")
    found = guess(log, catalogue)
    text = written(profile_lines(found, spelled(out.stem), ports_to_name()))
    with out.open("x", encoding="utf-8") as file:
        file.write(text)
    load_profile(str(out))
    tell(f"{text}\n{out} is written.")
    return out


def _name(log: Path) -> str:
    stem = log.name.removesuffix(".gz").partition(".")[0]
    return spelled(log.absolute().parent.name if stem.lower() in TOO_COMMON else stem)
