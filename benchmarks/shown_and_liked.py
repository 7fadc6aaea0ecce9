"""What is shown and what is liked, told apart: ARGUS and a model of positives alone, where the truth is known.

The demo world knows how likely a user clicks an item that is shown, and how likely it is shown. Of the first day after
the cutoff every scorer orders what was shown to each user, from histories as they stood then; and for some users the
whole catalogue, whose order is compared with that of both truths. A model that learned from positives alone takes what
is shown often for what is liked (ARGUS paper, section 3.1): hstu, and the controls of `benchmarks.controls`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml
from rich.table import Table
from scipy.stats import spearmanr

from assets.sources.demo_world.source import DemoWorld
from assets.sources.settings import open_source
from assets.versions import ARTIFACTS
from benchmarks.controls import evaluate_controls, train_controls
from benchmarks.figures import Figures, Report
from benchmarks.line import materialize
from models.argus.examples import began_within
from models.argus.scoring import completed, score_impressions, score_next_item
from models.artifact import Artifact, load_artifact
from models.columns import ACTIONS, STARTED, TIMESTAMP
from models.evaluation.own_impressions import PAIR_ACCURACY, compare
from models.evaluation.report import EvaluationReport, Measure, Measures, Protocol, VersionEvaluation
from models.interactions import Interactions
from models.manifest import list_versions
from orchestration.profile import load_profile
from serving.history import read_whole
from storage.lake import Lake
from storage.user_interactions import concatenated

FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 14
CLICK = "click"
ORACLE, ARGUS, NEXT, TOWERS, POSITIVES = "oracle", "argus, feedback", "argus, next item", "argus_towers", "hstu"
USERS_ASKED_EVERYTHING = 60

PROFILE = "demo-argus"

NDCG = "ndcg@10"

STAGES = ("training_set", "simple_models", "hstu_model", "blended_model")
STAGES_OF_ARGUS = ("ranking_set", "argus_backbone", "user_item_towers")
SEEDED = " or ".join(f'key:"{stage}"' for stage in (*STAGES, *STAGES_OF_ARGUS, "evaluation"))
"""What is made again with another seed."""


def run(events: int, seeds: int, out: Path, smoke: bool, report: Report) -> Figures:
    """Pair accuracy on the day after the cutoff, rank correlations with both truths, and NDCG@10, by scorer.

    Args:
        events: Of the demo world, about.
        seeds: With how many everything is trained; those but the first count for NDCG@10 alone.
        out: Where the lake is; what stands there of an earlier run is gone on from.
    """
    home = out / "shown-and-liked" / ("smoke" if smoke else f"{events}")
    settings = _settings(home, 5_000 if smoke else events, smoke)
    home.mkdir(parents=True, exist_ok=True)
    lake = Lake(root=str(home / "lake"))
    # The first seed comes last, so that its versions are the newest.
    ranked = [_ranked(home, lake, settings, seed) for seed in reversed(range(seeds))]
    newest = {family: _newest(lake, family) for family in ("hstu", "argus", "argus_towers")}
    world = open_source(settings["source"], "", FIRST_DAY.date())
    assert isinstance(world, DemoWorld)
    day = _Day.of(lake, newest["argus"], world)
    controls = train_controls(lake, newest["hstu"], report)
    catalogue = _of_catalogue(day, newest, controls)
    pairs = compare(day.owners, _of_impressions(day, newest["argus"], catalogue), day.clicked, ARGUS)
    order = _of_everything(day, newest["argus"], catalogue)
    of_controls = _ndcg(evaluate_controls(lake, newest["hstu"], controls))
    report(_table(pairs.scorers, order, of_controls))
    report(_table_of_seeds(ranked))
    return {
        "impressions": len(day.owners),
        "pair_accuracy": {scorer: _told(measures[PAIR_ACCURACY]) for scorer, measures in pairs.scorers.items()},
        "argus_minus": {scorer: _told(measures[PAIR_ACCURACY]) for scorer, measures in pairs.differences.items()},
        "rank_correlation": order,
        NDCG: _over_seeds(ranked, "time"),
        f"{NDCG} leave-one-out": _over_seeds(ranked, "leave_one_out"),
        "controls": of_controls,
    }


def _ranked(home: Path, lake: Lake, settings: dict[str, Any], seed: int) -> VersionEvaluation:
    """What the line says of the versions that it trains with a seed."""
    trained = {**settings, **{name: _seeded(settings[name], seed) for name in ("training", "argus")}}
    trained["argus"]["towers"] = _seeded(trained["argus"]["towers"], seed)
    profile = home / "demo.yaml"
    profile.write_text(yaml.safe_dump(trained, sort_keys=False))
    again = (home / "lake" / ARTIFACTS / "hstu").exists()
    materialize(profile, home, SEEDED if again else "*evaluation")
    return VersionEvaluation.read(lake.folder(f"{ARTIFACTS}/hstu") / _newest(lake, "hstu").version)


def _seeded(section: dict[str, Any], seed: int) -> dict[str, Any]:
    return {**section, "optimisation": {**section.get("optimisation", {}), "seed": seed}}


def _over_seeds(ranked: Sequence[VersionEvaluation], protocol: Protocol) -> dict[str, list[float]]:
    """Scorer to the mean over seeds, their standard deviation and, of the first, the interval over users."""
    told: dict[str, list[float]] = {}
    for scorer in ranked[-1].protocols[protocol].scorers:
        found = [one.protocols[protocol].measure(scorer, NDCG) for one in ranked]
        measures = [measure for measure in found if measure]
        if measures:
            means, last = [measure.mean for measure in measures], measures[-1]
            told[scorer] = [float(np.mean(means)), float(np.std(means)), last.low or last.mean, last.high or last.mean]
    return told


def _settings(home: Path, events: int, smoke: bool) -> dict[str, Any]:
    argus = dict(load_profile(PROFILE).argus)
    settings: dict[str, Any] = {
        "first_day": FIRST_DAY.date(),
        "last_day": (FIRST_DAY + timedelta(days=4 if smoke else DAYS)).date(),
        "id_type": "int64",
        "lake": {"root": str(home / "lake")},
        "ray": {"mode": "inline"},
        "source": {"kind": "demo_world", "events": events},
        "training": {"positive_actions": [CLICK, "like"], "train_ablation": False},
        "argus": argus,
    }
    if smoke:
        settings["training"] |= {"use_content": False, "optimisation": {"epochs": 2}}
        settings["argus"] = {**argus, "optimisation": {"epochs": 1}, "model": {**argus["model"], "max_length": 16}}
        settings |= {
            "ranking": {"use_content": False},
            "content": {"text": {"max_length": 16}, "image": {"mode": "none"}},
        }
    return settings


def _newest(lake: Lake, family: str) -> Artifact:
    folder = lake.folder(f"{ARTIFACTS}/{family}")
    return load_artifact(folder / list_versions(folder)[-1])


@dataclass(frozen=True)
class _Day:
    """What was shown on the day after the cutoff, and who saw it.

    Attributes:
        lake: The line's.
        since: Epoch milliseconds of the cutoff.
        places: (B,) places of the users in the log.
        users: (B,) their ids.
        shown: What was shown to each, in the terms of ARGUS; `timestamp` is when.
        clicked: (T,) bool, whether they clicked it.
        chances: (B, n + 1) how likely each clicks each item at the cutoff, if it is shown.
        exposure: (B, n + 1) how often each is shown each on the day, up to a factor by user.
    """

    lake: Lake
    since: int
    places: np.ndarray
    users: pl.Series
    shown: Interactions
    clicked: np.ndarray
    chances: np.ndarray
    exposure: np.ndarray

    @classmethod
    def of(cls, lake: Lake, argus: Artifact, world: DemoWorld) -> "_Day":
        cutoff = argus.manifest.cutoff
        since = int(cutoff.timestamp() * 1000)
        every = concatenated(list(read_whole(lake.interactions(), argus)))
        within = began_within(every.interactions, since, since + 86_400_000) & (every.interactions.item_index > 0)
        some = every.where(within)
        places = np.flatnonzero(some.interactions.lengths)
        some = some.take(places)
        shown = some.interactions.with_columns({TIMESTAMP: some.interactions.column(STARTED)})
        bit = 1 << argus.model.config.actions.index(CLICK)
        users, items = some.users.to_numpy(), argus.vocabulary.item_ids.to_numpy()
        chances, clicks = (
            np.pad(told(users, items, cutoff.date()), ((0, 0), (1, 0)))
            for told in (world.click_chances, world.expected_feedback)
        )
        exposure = np.divide(clicks, chances, out=np.zeros_like(clicks), where=chances > 0)
        return cls(lake, since, places, some.users, shown, (shown.column(ACTIONS) & bit) > 0, chances, exposure)

    @property
    def owners(self) -> np.ndarray:
        """(T,) the position of the user to whom each was shown."""
        return np.repeat(np.arange(len(self.shown)), self.shown.lengths)

    def past(self, artifact: Artifact) -> Interactions:
        """All that the B users had done before the cutoff, in the terms of a version that reads all."""
        every = concatenated(list(read_whole(self.lake.interactions(), artifact))).take(self.places).interactions
        return every.where(every.timestamps < self.since)


def _of_impressions(day: _Day, argus: Artifact, catalogue: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Scorer to (T,) scores of what was shown."""
    past, items = day.past(argus), day.shown.item_index
    click = score_impressions(argus.model, past, day.shown)[CLICK][:, 1]
    return {
        ARGUS: click,
        NEXT: score_next_item(argus.model, past, day.shown),
        **{name: scores[day.owners, items] for name, scores in catalogue.items()},
        ORACLE: day.chances[day.owners, items],
    }


def _of_catalogue(day: _Day, newest: Mapping[str, Artifact], controls: Mapping[str, Artifact]) -> dict[str, np.ndarray]:
    """(B, n + 1) scores at the cutoff of who answers requests, with the indices of ARGUS."""
    argus = newest["argus"]
    at, past = np.full(len(day.users), day.since), day.past(argus)
    bits = sum(1 << argus.model.config.actions.index(action) for action in (CLICK, "like"))
    chosen = past.where((past.column(ACTIONS) & bits) > 0).only()
    found = {}
    positives = {POSITIVES: newest[POSITIVES], **controls}
    for name, artifact in {**positives, TOWERS: newest[TOWERS]}.items():
        own = np.concatenate([[0], artifact.vocabulary.indices(argus.vocabulary.item_ids)])
        given = chosen.renumbered(own) if name in positives else day.past(artifact)
        found[name] = artifact.family.score(artifact, given, at).numpy()[:, own]
    return found


def _of_everything(day: _Day, argus: Artifact, catalogue: Mapping[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """Scorer to the rank correlation of its order of the catalogue with that of being liked, and of being shown.

    The mean over some users, of what is on offer to each.
    """
    some = np.linspace(0, len(day.users) - 1, min(USERS_ASKED_EVERYTHING, len(day.users))).astype(np.int64)
    past = day.past(argus).take(some)
    offered = [np.flatnonzero(day.exposure[user]) for user in some]
    asked = Interactions.of([(items, np.full(len(items), day.since)) for items in offered])
    asked = completed(asked, argus.model.config)
    owner = np.repeat(np.arange(len(some)), asked.lengths)
    told = {
        ARGUS: score_impressions(argus.model, past, asked)[CLICK][:, 1],
        NEXT: score_next_item(argus.model, past, asked),
        **{name: scores[some[owner], asked.item_index] for name, scores in catalogue.items()},
    }
    truths = {"liked": day.chances[some[owner], asked.item_index], "shown": day.exposure[some[owner], asked.item_index]}
    told[ORACLE] = truths["liked"]
    return {
        name: {truth: _correlation(scores, of, owner, len(some)) for truth, of in truths.items()}
        for name, scores in told.items()
    }


def _correlation(scores: np.ndarray, of: np.ndarray, owner: np.ndarray, users: int) -> float:
    """Spearman's, the mean over users; 0 for whom all is scored alike, as without a state."""
    rows = [np.flatnonzero(owner == user) for user in range(users)]
    return float(np.mean([spearmanr(scores[r], of[r])[0] if np.ptp(scores[r]) else 0.0 for r in rows]))


def _table_of_seeds(ranked: Sequence[VersionEvaluation]) -> Table:
    table = Table("", "next day", "leave-one-out", title=f"NDCG@10 over {len(ranked)} seeds: mean, sd")
    days, left = _over_seeds(ranked, "time"), _over_seeds(ranked, "leave_one_out")
    for scorer, told in days.items():
        cells = [f"{part[0]:.4f}, {part[1]:.4f}" if part else "" for part in (told, left.get(scorer, []))]
        table.add_row(scorer, *cells)
    return table


def _ndcg(reports: Mapping[Protocol, EvaluationReport]) -> dict[Protocol, dict[str, list[float | None]]]:
    """NDCG@10 of every scorer by protocol."""
    return {
        protocol: {
            scorer: _told(measure) for scorer in of_protocol.scorers if (measure := of_protocol.measure(scorer, NDCG))
        }
        for protocol, of_protocol in reports.items()
    }


def _told(measure: Measure) -> list[float | None]:
    return [measure.mean, measure.low, measure.high]


def _table(
    pairs: Mapping[str, Measures],
    order: Mapping[str, Mapping[str, float]],
    ndcg: Mapping[Protocol, Mapping[str, list[float | None]]],
) -> Table:
    table = Table(
        "",
        "pair accuracy of what was shown",
        "rank correlation with being liked",
        "with being shown",
        *(f"{NDCG}, {protocol}" for protocol in ndcg),
        title="The day after the cutoff, histories as they stood then",
    )
    for scorer in dict.fromkeys([*pairs, *(scorer for of in ndcg.values() for scorer in of)]):
        pair = _cell(_told(pairs[scorer][PAIR_ACCURACY])) if scorer in pairs else ""
        correlations = [f"{value:.3f}" for value in order[scorer].values()] if scorer in order else ["", ""]
        table.add_row(scorer, pair, *correlations, *(_cell(of[scorer]) if scorer in of else "" for of in ndcg.values()))
    return table


def _cell(told: list[float | None]) -> str:
    mean, low, high = told
    return f"{mean:.4f} [{low:.4f}, {high:.4f}]" if low is not None and high is not None else f"{mean:.4f}"
