"""What went wrong after faults, counted and told."""

from collections import Counter

from benchmarks.fault_line import Contents, Line, differing
from benchmarks.figures import Figures, Report


class Tally:
    """Counts what went wrong."""

    KEYS = ("kills", "lost_rows", "differing_tables", "torn_tables", "orphans", "unexplained_failures")

    def __init__(self, report: Report) -> None:
        self.report = report
        self.counts: Counter[str] = Counter()

    def count(self, what: str, number: int = 1) -> None:
        self.counts[what] += number

    def again(self, fault: str, line: Line, expected: Contents, landed: int) -> None:
        """What the repeated run has made of it.

        Args:
            landed: Rows of the landing files.
        """
        there = differing(line.contents(), expected)
        left, lost = line.leftovers(), landed - line.held_rows()
        self.count("differing_tables", len(there))
        self.count("orphans", len(left))
        self.count("lost_rows", abs(lost))
        names = [path.name for path in left]
        self.report(f"{fault}: differing {there or 'none'}, left over {names or 'nothing'}, lost {lost} rows")

    def torn(self, fault: str, names: list[str]) -> None:
        """Tables that a fault has left in a state that no undisturbed run leaves."""
        self.count("torn_tables", len(names))
        if names:
            self.report(f"{fault}: torn {names}")

    def explained(self, fault: str, output: str | None, word: str = "") -> None:
        """A run that failed must say why in one sentence, which holds `word`."""
        told = [line for line in (output or "").splitlines() if line.startswith("genrec:")]
        good = len(told) == 1 and word in told[0] and "Traceback" not in str(output)
        self.count("unexplained_failures", not good)
        self.report(f"{fault}: {told[0] if good else f'no sentence: {output}'}")

    def figures(self) -> Figures:
        return {key: self.counts[key] for key in self.KEYS} | dict(sorted(self.counts.items()))
