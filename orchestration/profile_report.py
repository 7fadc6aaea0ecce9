"""The report of the asset `data_report` on the files that a profile reads, without a lake."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from assets.data_report.evidence import Evidence, days_until_now
from assets.data_report.profile_keys import ProfileKeys
from assets.data_report.report import DataReport, report_on
from assets.data_report.seen import Settings
from assets.sources.settings import open_source
from assets.training.training_set import TrainingSetSettings
from orchestration.profile import Profile, section_settings


def report_on_profile(profile: Profile) -> DataReport:
    """The report on the files that a profile reads, in memory; nothing is kept.

    Raises:
        SourceError: the files cannot be read.
    """
    with evidence_of(profile) as evidence:
        return judged(profile, evidence)


@contextmanager
def evidence_of(profile: Profile) -> Iterator[Evidence]:
    """What the files of a profile hold.

    Raises:
        SourceError: they cannot be read.
    """
    quality = _section(profile, "quality")
    with tempfile.TemporaryDirectory(prefix="genrec-profile-data-") as folder:
        source = open_source(_section(profile, "source"), folder, profile.start(), quality.columns)
        first, last = days_until_now(profile.start(), profile.last_day)
        yield Evidence.of_source(source, quality, profile.id_type, first, last, Path(folder))


def judged(profile: Profile, evidence: Evidence) -> DataReport:
    """What a profile makes of it."""
    quality, learned = _section(profile, "quality"), _section(profile, "training")
    source = open_source(_section(profile, "source"), "", profile.start(), quality.columns)
    settings = Settings(
        quality,
        TrainingSetSettings.of(learned, _section(profile, "evaluation")),
        _section(profile, "release"),
        profile.id_type,
        ProfileKeys.of(source),
    )
    return report_on(evidence, settings, _section(profile, "content").image, profile.lake.rows_in_memory)


def _section(profile: Profile, name: str) -> Any:
    return section_settings(name, getattr(profile, name))
