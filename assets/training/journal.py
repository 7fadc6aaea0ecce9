"""What workers tell of their progress: lines of JSON in files, which the process that waits for them follows."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

POLL_SECONDS = 0.5

OnEntry = Callable[[Path, dict[str, Any]], None]


def note(journal: Path, entry: "DataclassInstance") -> None:
    """Adds one entry to a journal."""
    journal.parent.mkdir(parents=True, exist_ok=True)
    with journal.open("a") as file:
        file.write(json.dumps(asdict(entry)) + "\n")


def entries(journal: Path) -> list[dict[str, Any]]:
    """The complete entries of a journal; none where there is no such file."""
    lines = journal.read_text().split("\n")[:-1] if journal.exists() else []
    return [json.loads(line) for line in lines]


class Following:
    """Calls back for every entry that is added to the journals of a folder while the block runs.

    Args:
        folder: Holds the journals, or will.
        on_entry: Gets the journal and the entry, in a thread of its own.
        pattern: Of the journals within the folder.
    """

    def __init__(self, folder: Path, on_entry: OnEntry, pattern: str = "*.jsonl") -> None:
        self._folder, self._on_entry, self._pattern = folder, on_entry, pattern
        self._seen = {journal: len(entries(journal)) for journal in folder.glob(pattern)}
        self._stop = Event()
        self._thread = Thread(target=self._follow, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _follow(self) -> None:
        stopping = False
        while not stopping:
            stopping = self._stop.wait(POLL_SECONDS)
            for journal in sorted(self._folder.glob(self._pattern)):
                found = entries(journal)
                for entry in found[self._seen.get(journal, 0) :]:
                    self._on_entry(journal, entry)
                self._seen[journal] = len(found)
