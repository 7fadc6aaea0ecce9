"""Small logs in files, and the report on them."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from assets.content.settings import ContentSettings
from assets.data_report.evidence import Evidence
from assets.data_report.profile_keys import ProfileKeys
from assets.data_report.report import DataReport, report_on
from assets.data_report.seen import Finding, Settings
from assets.release.settings import ReleaseSettings
from assets.sources.settings import open_source
from assets.splits.settings import EvaluationSettings
from assets.training.settings import TrainingSettings
from assets.training.training_set import TrainingSetSettings
from assets.validation.settings import QualitySettings
from models.auto import read_section
from storage.schema import IdType

FIRST = date(2026, 1, 1)
COLUMNS = ("user_id", "item_id", "timestamp", "action", "request_id")

Row = Sequence[object]

SECOND = 1_000
DAY = 86_400 * SECOND
START = 1_767_225_600 * SECOND
"""Midnight of FIRST, in milliseconds."""


def walks(users: int = 30, items: int = 20, days: int = 6, step: int = 7) -> list[Row]:
    """Rows of users who view one item a day, each on from another place of a ring."""
    return [
        (f"u{user}", f"i{(user * step + day) % items}", START + day * DAY + user * SECOND, "view", "")
        for day in range(days)
        for user in range(users)
    ]


def write(path: Path, rows: Sequence[Row], columns: Sequence[str] = COLUMNS) -> Path:
    path.write_text("\n".join(",".join(map(str, row)) for row in [columns, *rows]) + "\n")
    return path


def reported(
    folder: Path,
    rows: Sequence[Row],
    *,
    events: Mapping[str, Any] | None = None,
    items: Mapping[str, Any] | None = None,
    columns: Sequence[str] = COLUMNS,
    days: int = 6,
    id_type: IdType = "string",
    quality: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    evaluation: Mapping[str, Any] | None = None,
    release: Mapping[str, Any] | None = None,
    content: Mapping[str, Any] | None = None,
) -> DataReport:
    """The report on a log with these rows, by a profile with these sections.

    Args:
        days: Of the profile.
    """
    log = write(folder / "events.csv", rows, columns)
    source = {"kind": "files", "events": {"path": str(log), **(events or {})}} | ({"items": items} if items else {})
    rules = QualitySettings.model_validate({"actions": ["view"], **(quality or {})})
    opened = open_source(source, str(folder), FIRST)
    settings = Settings(
        rules,
        TrainingSetSettings.of(
            read_section(TrainingSettings, {"positive_actions": ["view"], **(training or {})}),
            read_section(EvaluationSettings, evaluation or {}),
        ),
        ReleaseSettings.model_validate({"min_users": 5, **(release or {})}),
        id_type,
        ProfileKeys.of(opened),
    )
    evidence = Evidence.of_source(opened, rules, id_type, FIRST, FIRST + timedelta(days=days - 1), folder)
    return report_on(evidence, settings, ContentSettings.model_validate(content or {}).image)


def only(report: DataReport, key: str) -> Finding:
    """The one finding on that key."""
    (found,) = [finding for finding in report.findings if finding.key == key]
    return found
