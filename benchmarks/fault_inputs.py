"""Landing files that were cut off: a run refuses them, or puts the cut row aside, and the tables stay whole."""

import gzip
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from benchmarks.fault_line import Line, differing
from benchmarks.fault_tally import Tally

FORMS = ("parquet", "csv.gz", "csv")

Landing = Mapping[str, Mapping[str, pl.DataFrame]]
"""Table, day: rows."""


def cut_inputs(folder: Path, form: str, landing: Landing, tally: Tally) -> None:
    """Cuts the events of the last day off, runs that day, repairs the file and runs it again."""
    source = {"kind": "files", **{table: {"path": f"{folder}/{table}/{{day}}.*"} for table in landing}}
    for day, items in landing["items"].items():
        _write(items, folder / "items" / f"{day}.parquet")
    for day, events in landing["events"].items():
        _write(events, folder / "events" / f"{day}.{form}")
    line = Line.made(folder / "line", source, len(landing["events"]))
    line.run()
    expected, landed = line.contents(), sum(rows.height for days in landing.values() for rows in days.values())
    file = sorted((folder / "events").iterdir())[-1]
    whole = file.read_bytes()
    left = _cut(file)
    fault, output = f"{file.name} cut off", line.fail("--days", str(line.all_days[-1]))
    if form == "csv":
        lost = landed - landing["events"][str(line.all_days[-1])].height + left - line.held_rows()
        tally.count("lost_rows", abs(lost))
        tally.count("unexplained_failures", output is not None)
        tally.report(f"{fault}: {left} rows left, {lost} of them lost")
    else:
        tally.explained(fault, output, file.name)
        tally.torn(fault, [name for name in differing(line.contents(), expected) if name != "raw_events"])
    file.write_bytes(whole)
    line.run("--days", str(line.all_days[-1]))
    tally.again(fault, line, expected, landed)
    tally.count("cut_inputs")


def _write(rows: pl.DataFrame, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        rows.write_parquet(path)
        return
    text = rows.write_csv().encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)


def _cut(file: Path) -> int:
    """Leaves two thirds, and of the last row, where there are rows, two fields; returns how many rows that are."""
    content = file.read_bytes()
    if file.suffix != ".csv":
        file.write_bytes(content[: len(content) * 2 // 3])
        return 0
    rows = content[: len(content) * 2 // 3].split(b"\n")
    rows[-1] = b"1,2"
    file.write_bytes(b"\n".join(rows))
    return len(rows) - 1
