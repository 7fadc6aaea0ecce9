"""The report on a log: what it holds, whom a model could be judged by, and which settings do not fit."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median

import polars as pl

from assets.content.settings import ImageSettings
from assets.data_report.cases import Cut, K
from assets.data_report.content import Content
from assets.data_report.counts import Activity, Histories
from assets.data_report.evidence import Evidence
from assets.data_report.findings import findings
from assets.data_report.put_aside import ROWS, PutAside
from assets.data_report.seen import Finding, Seen, Settings, counted
from models.actions import action_bits
from models.columns import DAY, ITEM_ID
from storage.user_interactions import ROWS_IN_MEMORY


@dataclass(frozen=True)
class DataReport:
    """What was seen, and what does not fit."""

    seen: Seen
    findings: list[Finding]

    @property
    def stopping(self) -> list[Finding]:
        """Those for which training cannot succeed."""
        return [finding for finding in self.findings if finding.stops]

    def lines(self) -> Iterator[tuple[str, str]]:
        """What there is, and how much of it, in the order of the line."""
        yield "rows", _rows(self.seen)
        yield from _activity(self.seen.activity, ordinal=self.seen.settings.keys.ordinal)
        if self.seen.histories:
            yield from _histories(self.seen.histories, self.seen.activity)
        if self.seen.cut:
            yield from _cut(self.seen.cut, self.seen.settings)
        yield from _content(self.seen.content, self.seen.evidence.items_put_aside)

    def numbers(self) -> Mapping[str, float]:
        """Those that are worth to be followed from night to night."""
        seen, histories, cut = self.seen, self.seen.histories, self.seen.cut
        numbers: dict[str, float] = {
            "rows": seen.rows,
            "rows_put_aside": seen.rows - seen.activity.events,
            "catalogue_items": seen.content.items,
            "findings": len(self.findings),
        }
        if histories:
            positives = max(1, histories.positives)
            numbers |= {
                "users": histories.users,
                "interactions": histories.interactions,
                "positives": histories.positives,
                "items_chosen": histories.chosen_items,
                "median_history": histories.quantiles().get(0.5, 0),
                "repeated_share": histories.repeated / positives,
                "tied_share": histories.tied / positives,
            }
        if cut:
            numbers |= {f"cases_{protocol}": cases for protocol, cases in cut.cases.items()}
            numbers |= {
                f"{model}_hit_rate_{protocol}": rate
                for protocol, rates in cut.hit_rates.items()
                for model, rate in rates.items()
            }
        return numbers


def report_on(
    evidence: Evidence, settings: Settings, images: ImageSettings, rows_in_memory: int = ROWS_IN_MEMORY
) -> DataReport:
    """Counts what the evidence holds, and compares it with what the profile says.

    Args:
        rows_in_memory: Interactions at most that are read at once.
    """
    activity = Activity.of(evidence.events)
    content = Content.of(evidence.items, images, evidence.image_folders)
    wanted = [action for action in settings.positive_actions if action in evidence.log.actions]
    histories, cut, listed = None, None, 1.0
    if activity.events and wanted:
        positives = action_bits(evidence.log.actions, wanted)
        histories = Histories.of(evidence.log, positives, settings.quality.request_gap, rows_in_memory)
        listed = _listed_share(evidence, histories)
    if histories and histories.positives:
        cut = Cut.of(
            evidence.log,
            histories,
            positives,
            settings.training_set.evaluation,
            settings.training_set.training,
            activity.days[DAY][-1],
            described=content.texts / max(1, content.items),
            rows_in_memory=rows_in_memory,
        )
    seen = Seen(evidence, settings, activity, histories, cut, content, listed)
    return DataReport(seen, findings(seen))


def _listed_share(evidence: Evidence, histories: Histories) -> float:
    """Share of the items that anybody chose which the catalogue has."""
    chosen = evidence.log.item_ids().gather(pl.Series(histories.chosen - 1)).alias(ITEM_ID)
    listed = chosen.to_frame().lazy().join(evidence.items.select(ITEM_ID), on=ITEM_ID, how="semi")
    return listed.select(pl.len()).collect().item() / max(1, len(chosen))


def _rows(seen: Seen) -> str:
    told, aside = [f"{seen.rows:,}"], seen.evidence.put_aside
    if aside.rows:
        told.append(f"{aside.rows:,} put aside ({aside.told()})")
    if seen.evidence.outside:
        told.append(f"{seen.evidence.outside:,} more on other days")
    return "; ".join(told)


def _activity(activity: Activity, *, ordinal: bool) -> Iterator[tuple[str, str]]:
    if not activity.events:
        return
    days, rows = activity.days[DAY].to_list(), activity.days[ROWS].to_list()
    busiest = rows.index(max(rows))
    if ordinal:
        yield "times", "none: the order of each user's rows counts, and days stand for places in it"
    else:
        yield "days", f"{days[0]} to {days[-1]}: {len(days):,} with events of {(days[-1] - days[0]).days + 1:,}"
        yield (
            "events a day",
            f"half of these days up to {median(rows):,.0f}, at most {rows[busiest]:,} ({days[busiest]})",
        )
    yield "actions", _counted(activity.actions)


def _histories(histories: Histories, activity: Activity) -> Iterator[tuple[str, str]]:
    joined = activity.events - histories.interactions
    yield "users", f"{histories.users:,}, {len(histories.lengths):,} of them with a positive"
    yield (
        "interactions",
        f"{histories.interactions:,} of {activity.events:,} events: {joined:,} joined another one of the same request "
        f"or moment; {histories.positives:,} are positive",
    )
    yield "items", f"{histories.chosen_items:,} with a positive"
    if histories.positives:
        lengths = ", ".join(f"{length:,} ({share:.0%})" for share, length in histories.quantiles().items())
        yield "positives a user", f"up to {lengths}"
        yield "repeats", f"{histories.repeated / histories.positives:.1%} of the positives are of an item chosen before"
        yield "ties", f"{histories.tied / histories.positives:.1%} are at the moment of another one of the user"


def _cut(cut: Cut, settings: Settings) -> Iterator[tuple[str, str]]:
    """Shares are told of enough users alone; of an order there is no window."""
    window, enough, ordinal = cut.window, max(1, settings.release.min_users), settings.keys.ordinal
    if window.users >= enough and not ordinal:
        newcomers, of_new_items = window.new_users / window.users, window.of_new_items / window.positives
        yield "new users", f"{newcomers:.0%} of {window.users:,} in the evaluation window have no history"
        yield (
            "new items",
            f"{of_new_items:.0%} of {window.positives:,} positives in it are of items nobody chose before",
        )
    if cut.split.repeats:
        yield "asked for", "what users had chosen before, too, and recommended again (evaluation.repeats)"
    days = counted(cut.split.window_days, "day")
    by_time = f"{cut.cases['time']:,} by time ({days} from {cut.cutoff:%Y-%m-%d}), "
    yield "evaluation cases", f"{'' if ordinal else by_time}{cut.cases['leave_one_out']:,} by leave-one-out"
    for protocol, rates in cut.hit_rates.items():
        if cut.cases[protocol] < enough or (ordinal and protocol == "time"):
            continue
        told = ", ".join(f"{model} {rate:.1%}" for model, rate in rates.items())
        yield (
            f"hits in {K}, {protocol}",
            f"{told} (of {min(cut.asked, cut.cases[protocol]):,} users; fitted to {cut.fitted:,} positives)",
        )


def _content(content: Content, aside: PutAside) -> Iterator[tuple[str, str]]:
    told = f"{content.items:,} items, {content.texts:,} with a text, {content.images:,} with an image"
    yield "catalogue", f"{told}; {counted(aside.rows, 'row')} put aside ({aside.told()})" if aside.rows else told
    if content.decoded:
        yield "images", f"{content.readable:,} of {content.decoded:,} readable"
    elif content.images:
        yield "images", "not looked at: content.image.mode is none"


def _counted(counts: pl.DataFrame) -> str:
    """Names and how many rows each has."""
    return ", ".join(f"{rows:,} {name}" for name, rows in counts.iter_rows())
