"""Looks at the files and writes the profile."""

from pathlib import Path

from assets.sources.source import SourceError
from orchestration.init.ports import ports_to_name
from orchestration.init.profile_text import is_sealed, sealed
from orchestration.init.propose import Proposal, propose
from orchestration.profile import spelled

TOO_COMMON = ("events", "event", "log", "logs", "train", "data", "ratings", "interactions", "clicks", "reviews")
"""Names of files after which no profile is called, but after their folder."""


def write_profile(log: Path, catalogue: Path | None, out: Path | None) -> tuple[Path, Proposal]:
    """Writes the profile that reads `log` and `catalogue`.

    Args:
        out: Where it goes; by default a file of the log's name in the working directory.

    Returns:
        Where it is, and what there is to say of it.

    Raises:
        SourceError: the files cannot be read, or nothing can be recommended from them.
        FileExistsError: there is such a file already, and not as this function wrote it.
    """
    for path in (log, catalogue):
        if path is not None and not path.is_file():
            raise SourceError(
                f"{path} is no file: name the file of events, and after it that of items, if there is one"
            )
    out = out or Path(f"{_name(log)}.yaml")
    if out.suffix not in (".yaml", ".yml"):
        raise SourceError(f"{out} does not end with .yaml: a profile is such a file")
    if out.exists() and not is_sealed(out.read_text(encoding="utf-8", errors="replace")):
        raise FileExistsError(f"{out} is there already: name another file with --profile, or move it away")
    proposal = propose(log, catalogue, spelled(out.stem), ports_to_name())
    out.write_text(sealed(proposal.text), encoding="utf-8")
    return out, proposal


def _name(log: Path) -> str:
    stem = log.name.removesuffix(".gz").partition(".")[0]
    return spelled(log.absolute().parent.name if stem.lower() in TOO_COMMON else stem)
