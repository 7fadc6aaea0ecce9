"""Which settings do not fit what a log holds: one sentence each, and what stops a night.

Each rule is a function of what was seen that yields what it finds.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from assets.data_report import content_rules, learning_rules, row_rules
from assets.data_report.seen import Finding, Seen

Rule = Callable[[Seen], Iterator[Finding]]

ROW_RULES: Sequence[Rule] = (
    row_rules.times,
    row_rules.times_without_year,
    row_rules.wrong_types,
    row_rules.missing_values,
    row_rules.unreadable_rows,
    row_rules.unknown_actions,
    row_rules.unknown_items,
    row_rules.refused_days,
    row_rules.rows_on_other_days,
    row_rules.duplicates,
    row_rules.nothing_there,
)

CONTENT_RULES: Sequence[Rule] = (
    content_rules.times,
    content_rules.numbers,
    content_rules.tags,
    content_rules.large_images,
)

LEARNING_RULES: Sequence[Rule] = (
    learning_rules.actions,
    learning_rules.requests,
    learning_rules.few_items_or_interactions,
    learning_rules.cutoff,
    learning_rules.evaluation_cases,
    learning_rules.images,
)


def findings(seen: Seen) -> list[Finding]:
    """All there is to say, what stops first; of a log without any event all that is wrong with its rows."""
    of_rows = [finding for rule in ROW_RULES for finding in rule(seen)]
    if not seen.activity.events:
        of_rows = [replace(finding, stops=True) for finding in of_rows]
    of_learning = [finding for rule in (*CONTENT_RULES, *LEARNING_RULES) for finding in rule(seen)]
    return sorted([*of_rows, *of_learning], key=lambda finding: not finding.stops)
