"""What people get who only map their columns: the line by default settings on logs that nobody tuned for.

Each profile is run from its files to the release by the command `genrec materialize`, in a home of its own for every
seed, so that each is a first night. What is released is compared with every family of that night, by both protocols,
on the same cases; and with SASRec as RecTools has it, in an environment apart. A night takes minutes: it is kept, and a
benchmark that was ended goes on where it was.
"""

import shutil
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from time import perf_counter

import numpy as np
import polars as pl
import yaml
from rich.table import Table

from assets.code_version import code_version
from assets.evaluation.evaluate_version import questions_of
from assets.versions import artifact_of, artifacts_of, releases_of
from benchmarks import movielens
from benchmarks.figures import Figures, Report
from benchmarks.line import materialize
from benchmarks.listed import Listed, sasrec_lists
from benchmarks.training import rectools_python
from models.artifact import load_artifact
from models.evaluation.evaluate import RankingSettings, evaluate
from models.evaluation.model_scorer import ModelScorer
from models.evaluation.report import OVERALL, EvaluationReport, Protocol, VersionEvaluation
from models.evaluation.scorer import Scorer
from models.manifest import list_versions
from models.strict import Strict
from storage.lake import Lake

LAKE = "lake"
NDCG, RECALL = "ndcg@10", "recall@50"
HSTU, BLEND, SASREC, RELEASED = "hstu", "blend", "sasrec", "released"
NO_WORSE = -0.002
"""How far the lower end of a paired difference may lie below 0."""

FEWEST_USERS = 100
"""A protocol with fewer cases is shown, but its intervals tell nothing: it counts in no figure."""


class Night(Strict):
    """One profile, one seed.

    Attributes:
        code: What made it.
        sasrec: Whether SASRec took part.
        family: Of the released version.
        reports: By protocol: every family of the night, what was released, and SASRec where it took part.
        minutes: From the files to the release.
    """

    code: str
    sasrec: bool
    family: str
    reports: dict[Protocol, EvaluationReport]
    minutes: float


def run(profiles: Sequence[Path], seeds: int, rectools: bool, out: Path, smoke: bool, report: Report) -> Figures:
    """NDCG@10 and recall@50 of each profile by protocol and family, and how the released version compares.

    Args:
        profiles: YAML files; `genrec init` writes one that maps columns and says nothing else.
        seeds: First nights of each.
        rectools: Whether SASRec takes part, and RecTools is installed where it is not yet.
        out: Where the homes are, and RecTools' environment.

    Raises:
        ValueError: no profile is named.
    """
    if smoke:
        profiles, seeds, rectools = [_imitation(out / "smoke")], 1, False
    if not profiles:
        raise ValueError("there is nothing to run: name profiles, such as those that `genrec init` writes")
    python = rectools_python(out / "rectools", report) if rectools else None
    nights: dict[str, list[Night]] = {profile.stem: [] for profile in profiles}
    for seed in range(seeds):
        for profile in profiles:
            nights[profile.stem].append(_night(profile, seed, python, out / "defaults" / profile.stem, report))
    for name, some in nights.items():
        report(_table(name, some))
    return _figures(nights)


def _imitation(folder: Path) -> Path:
    """A profile and a small log of users who walk through items in steps of one to three."""
    ratings = movielens.read(movielens.write_imitation(folder)).histories
    users = np.repeat(np.arange(len(ratings)), ratings.lengths)
    log = pl.DataFrame({"user_id": users, "item_id": ratings.item_index, "timestamp": ratings.timestamps})
    log.with_columns(action=pl.lit("watch")).write_csv(folder / "events.csv")
    days = [date.fromtimestamp(time / 1000) for time in (ratings.timestamps.min(), ratings.timestamps.max())]
    settings = {
        "first_day": days[0] - timedelta(days=1),
        "last_day": days[1] + timedelta(days=2),
        "source": {"kind": "files", "events": {"path": str(folder / "events.csv")}},
        "quality": {"actions": ["watch"]},
        "training": {"positive_actions": ["watch"]},
    }
    profile = folder / "imitation.yaml"
    profile.write_text(yaml.safe_dump(settings))
    return profile


def _night(profile: Path, seed: int, rectools: Path | None, folder: Path, report: Report) -> Night:
    home, kept = folder / f"seed-{seed}", folder / f"seed-{seed}.json"
    if kept.exists():
        night = Night.model_validate_json(kept.read_text())
        if (night.code, night.sasrec) == (code_version(), rectools is not None):
            return night
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    copy = _with_seed(profile, seed, home / profile.name)
    started = perf_counter()
    materialize(copy, home, "*release")
    minutes = (perf_counter() - started) / 60
    night = _judge(Lake(root=str(home / LAKE)), seed, rectools, home / "sasrec", minutes)
    shutil.rmtree(home)
    kept.write_text(night.model_dump_json())
    report(f"{profile.stem}, seed {seed}: {night.family} is released after {minutes:.1f} minutes")
    return night


def _with_seed(profile: Path, seed: int, to: Path) -> Path:
    """The profile with a lake of its own and that seed.

    It has no cluster, which small logs do not need, and no ablation, which is no contestant.
    """
    settings = yaml.safe_load(profile.read_text())
    settings["lake"] = {"root": str(to.parent / LAKE)}
    settings["ray"] = {"mode": "inline"}
    training = settings.setdefault("training", {})
    training["train_ablation"] = False
    training.setdefault("optimisation", {})["seed"] = seed
    to.write_text(yaml.safe_dump(settings, sort_keys=False))
    return to


def _judge(lake: Lake, seed: int, rectools: Path | None, scratch: Path, minutes: float) -> Night:
    """The night's families once more, side by side with what was released and with SASRec."""
    folder = artifacts_of(lake) / list_versions(artifacts_of(lake))[-1]
    told = VersionEvaluation.read(folder)
    candidate = load_artifact(folder)
    champion = load_artifact(artifact_of(lake, str(releases_of(lake).champion())))
    questions = questions_of(lake, candidate)
    scorers = [
        ModelScorer(name, load_artifact(artifact_of(lake, contestant.version)), candidate.vocabulary)
        for name, contestant in told.contestants.items()
    ]
    scorers.insert(0, ModelScorer(RELEASED, champion, candidate.vocabulary))
    lists = sasrec_lists(questions, rectools, seed, scratch) if rectools else {}
    reports: dict[Protocol, EvaluationReport] = {}
    for protocol, cases in questions.cases.items():
        others = [Listed(SASREC, lists[protocol], questions.catalogue.items)] if protocol in lists else []
        everybody: list[Scorer] = [*scorers, *others]
        reports[protocol] = evaluate(
            everybody,
            cases,
            questions.catalogue,
            {OVERALL: np.ones(len(cases.targets), bool)},
            RankingSettings(),
            contestants=[scorer.name for scorer in everybody],
        )
    return Night(
        code=code_version(),
        sasrec=rectools is not None,
        family=champion.family.name,
        reports=reports,
        minutes=minutes,
    )


def _table(name: str, nights: list[Night]) -> Table:
    table = Table(title=f"{name}: {', '.join(night.family for night in nights)} released")
    for column in ("protocol", "users", "scorer", NDCG, RECALL, f"released minus it ({NDCG}, first seed)"):
        table.add_column(column)
    first = nights[0]
    for protocol, report in first.reports.items():
        for scorer in report.scorers:
            difference = None if scorer == RELEASED else report.difference(scorer, NDCG)
            shown = f"{difference.mean:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}]" if difference else ""
            cells = [f"{_mean(nights, protocol, scorer, metric):.4f}" for metric in (NDCG, RECALL)]
            table.add_row(protocol, f"{report.users:,}", scorer, *cells, shown)
    return table


def _mean(nights: list[Night], protocol: Protocol, scorer: str, metric: str) -> float:
    found = [night.reports[protocol].measure(scorer, metric) for night in nights if protocol in night.reports]
    return float(np.mean([measure.mean for measure in found if measure]))


def _figures(nights: dict[str, list[Night]]) -> Figures:
    figures: Figures = {"sets": len(nights)}
    lows: list[float] = []
    hstu_ahead = 0
    for name, some in nights.items():
        counted = [report for night in some for report in night.reports.values() if report.users >= FEWEST_USERS]
        lows += [_lowest(report, RELEASED) for report in counted]
        hstu_ahead += all(_best_or_tied(report, HSTU) for report in counted)
        figures[name] = {
            "released": [night.family for night in some],
            "minutes": float(np.mean([night.minutes for night in some])),
            **{
                protocol: {scorer: _mean(some, protocol, scorer, NDCG) for scorer in report.scorers}
                for protocol, report in some[0].reports.items()
            },
        }
    return {
        "worst_paired_difference": min(lows, default=0.0),
        "no_worse": sum(low > NO_WORSE for low in lows),
        "comparisons": len(lows),
        "hstu_best_or_tied": hstu_ahead,
        **figures,
    }


def _lowest(report: EvaluationReport, scorer: str) -> float:
    """The lowest lower end of the paired differences between `scorer` and any other."""
    differences = (report.paired_difference(scorer, other, NDCG) for other in report.scorers if other != scorer)
    return min(float(difference.low) for difference in differences if difference and difference.low is not None)


def _best_or_tied(report: EvaluationReport, scorer: str) -> bool:
    """Whether none is clearly better, but for what holds it itself: no paired difference lies wholly below 0."""
    others = [other for other in report.scorers if other not in (scorer, BLEND, RELEASED)]
    differences = (report.paired_difference(scorer, other, NDCG) for other in others)
    return all(difference.high is None or difference.high >= 0 for difference in differences if difference)
