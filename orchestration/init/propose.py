"""A profile for someone's files, and how it fares on them: proposed, tried, and allowed for what was found."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from assets.data_report.report import DataReport
from assets.data_report.seen import Finding
from orchestration.init.allowances import Allowances
from orchestration.init.doubts import doubts
from orchestration.init.guess import Guess, guess
from orchestration.init.left_out import unfit_of_items
from orchestration.init.profile_text import written
from orchestration.init.proposal import profile_lines
from orchestration.init.sections import items_section
from orchestration.profile import Profile, load_profile
from orchestration.profile_report import evidence_of, judged


@dataclass(frozen=True)
class Proposal:
    """What `genrec init` has to say.

    Attributes:
        text: The profile.
        report: What the log holds, and what of the profile does not fit.
        doubts: What was guessed on little evidence, and what its user has to decide.
    """

    text: str
    report: DataReport
    doubts: list[Finding]


def propose(log: Path, catalogue: Path | None, name: str, ports: Mapping[str, Mapping[str, int]]) -> Proposal:
    """Args:
        name: Of the profile.
        ports: Section to the ports that it has to name.

    Raises:
        SourceError: the files cannot be read, or nothing can be recommended from them.
    """
    return _proposed(guess(log, catalogue), name, ports)


def _proposed(found: Guess, name: str, ports: Mapping[str, Mapping[str, int]]) -> Proposal:
    draft = _loaded(written(profile_lines(found, name, ports)), name)
    with evidence_of(draft) as evidence:
        if found.listing and found.catalogue:
            section = items_section(found.listing, found.catalogue)
            if left_out := unfit_of_items(evidence, section):
                return _proposed(replace(found, catalogue=found.catalogue.without(left_out)), name, ports)
        text = written(profile_lines(found, name, ports, Allowances.of(evidence)))
        return Proposal(text, judged(_loaded(text, name), evidence), list(doubts(found)))


def _loaded(text: str, name: str) -> Profile:
    with tempfile.TemporaryDirectory(prefix="genrec-init-") as folder:
        path = Path(folder) / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        return load_profile(str(path))
