"""`genrec profile-data`: the report of the asset `data_report` for files that no lake has taken yet."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from assets.data_report.put_aside import ROWS
from assets.data_report.report import DataReport
from assets.data_report.seen import Finding
from assets.plots import by_powers_of_two
from assets.sources.source import SourceError
from models.columns import DAY
from orchestration.init.propose import propose
from orchestration.profile import PROFILES, load_profile, spelled
from orchestration.profile_report import report_on_profile

BLOCKS = " ▁▂▃▄▅▆▇█"
WIDTH = 48
"""Characters of a picture."""


def report_on_files(file: Path, catalogue: Path | None = None) -> tuple[DataReport, list[Finding]]:
    """The report on the files that a profile reads, or on a log, by the profile that `genrec init` would write for it,
    and what that one is not sure of.

    Args:
        file: A profile, the name of one that comes with the platform, or a log.
        catalogue: The items of a log.

    Raises:
        SourceError: the files cannot be read, or nothing can be recommended from them.
    """
    named = not file.exists() and (PROFILES / f"{file}.yaml").exists()
    if file.suffix in (".yaml", ".yml") or named:
        if catalogue:
            raise SourceError(f"{file} is a profile, which names its catalogue itself: leave {catalogue} out")
        return report_on_profile(load_profile(str(file))), []
    for path in filter(None, (file, catalogue)):
        if not path.is_file():
            raise SourceError(f"{path} is no file: name a profile, or a log and after it its catalogue")
    proposal = propose(file, catalogue, spelled(file.name.partition(".")[0]), {})
    return proposal.report, proposal.doubts


def show(report: DataReport, doubts: Sequence[Finding], console: Console) -> None:
    """Prints what was seen as a table, and what does not fit or is not sure as sentences."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, told in [*report.lines(), *_pictures(report)]:
        table.add_row(Text(name, style="bold"), told)
    console.print(table)
    found = [*report.findings, *doubts]
    if not found:
        console.print("all settings fit what was seen", style="green")
    for finding in found:
        word, style = ("stops", "red") if finding.stops else ("look at", "yellow")
        sentence = Text.assemble((f"{word} ", style), (finding.key, "bold"), f": {finding.what}: {finding.advice}")
        console.print(sentence, soft_wrap=True)


def _pictures(report: DataReport) -> list[tuple[str, str]]:
    """Events over time and lengths of histories, in blocks."""
    days, pictures = report.seen.activity.days, list[tuple[str, str]]()
    if days.height > 1 and not report.seen.settings.keys.ordinal:
        since = (pl.col(DAY) - pl.col(DAY).min()).dt.total_days()
        span = (days[DAY][-1] - days[DAY][0]).days + 1
        columns = min(WIDTH, span)
        place = (since * columns // span).alias("place")
        counts = dict(days.group_by(place).agg(pl.col(ROWS).sum()).iter_rows())
        pictures.append(("over time", _blocks([counts.get(n, 0) for n in range(columns)])))
    if report.seen.histories and len(report.seen.histories.lengths):
        names, users = by_powers_of_two(report.seen.histories.lengths)
        pictures.append(("users by length", f"{names[0]} {_blocks(users)} {names[-1]}"))
    return pictures


def _blocks(counts: Sequence[int]) -> str:
    """A bar for each count; the smallest that is not 0 can still be seen."""
    most = max(counts)
    return "".join(BLOCKS[-(-count * (len(BLOCKS) - 1) // most)] for count in counts)
