"""Runs onto a disk that is full before they end."""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.fault_line import Contents, Line, differing
from benchmarks.fault_tally import Tally


def full_disks(folder: Path, source: dict[str, Any], days: int, tally: Tally, filled: Sequence[float]) -> None:
    """Runs onto a disk with too little room, then with enough."""
    disk, aside = folder / "disk", folder / "aside"
    with _mounted(disk) as mounted:
        if not mounted:
            tally.report("full disks: not tried, because only root can mount one")
            return
        line = Line.made(folder / "full", source, days, root=disk / "lake")
        line.run("--days", f"{line.all_days[0]}:{line.all_days[-2]}")
        before = line.contents()
        shutil.copytree(disk / "lake", aside)
        line.run()
        after, grown = line.contents(), _bytes(disk / "lake") - _bytes(aside)
        for share in filled:
            shutil.rmtree(disk / "lake")
            shutil.copytree(aside, disk / "lake")
            _fill(disk, room=int(share * grown))
            fault = f"disk full after {share:.0%}"
            tally.explained(fault, line.fail())
            tally.torn(fault, _neither(line.contents(), before, after))
            (disk / "ballast").unlink()
            line.run()
            tally.again(fault, line, after, line.landed_rows())
            tally.count("full_disks")


def _neither(there: Contents, before: Contents, after: Contents) -> list[str]:
    """Tables as they were neither before nor after; of the quarantine events and items are told apart."""
    split = [_by_origin(contents) for contents in (there, before, after)]
    return sorted(set(differing(split[0], split[1])) & set(differing(split[0], split[2])))


def _by_origin(contents: Contents) -> Contents:
    parts = contents["quarantine"].partition_by("origin", as_dict=True)
    return {name: table for name, table in contents.items() if name != "quarantine"} | {
        f"quarantine of {origin}": part for (origin,), part in parts.items()
    }


@contextmanager
def _mounted(disk: Path) -> Iterator[bool]:
    """A disk of its own in memory; False where this process may not mount one."""
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64M", "genrec", str(disk)], capture_output=True)
    try:
        yield mounted.returncode == 0
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", str(disk)], check=True)


def _fill(disk: Path, room: int) -> None:
    with open(disk / "ballast", "wb") as ballast:
        ballast.write(bytes(max(0, shutil.disk_usage(disk).free - room)))


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
