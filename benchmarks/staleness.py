"""`genrec bench staleness`: what several future targets do for states that are some hours old, against the next alone.

The model of a profile is trained on one training set with each of several targets (`FutureTargetsConfig`), and
evaluated as the line does it, MRR by age of the states.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from rich.table import Table

from assets.versions import artifacts_of
from benchmarks.figures import Figures, Report, mean_and_deviation
from benchmarks.line import FIRST_DAY, dated, kept_of_this_code, materialize, seeded
from models.evaluation.report import EvaluationReport, Protocol, VersionEvaluation
from models.manifest import list_versions
from orchestration.profile import find_profile
from storage.lake import Lake

VARIANTS: dict[str, dict[str, Any]] = {
    "next": {"count": 1},
    "five": {"count": 5},
    "five, half-life a day": {"count": 5, "half_life_hours": 24.0},
}

Run = dict[Protocol, dict[int, float]]
"""Protocol to age in hours to MRR."""


def run(profile: str, seeds: int, out: Path, smoke: bool, report: Report) -> Figures:
    """MRR by protocol, targets and age of the states, with its deviation over seeds.

    Args:
        profile: Its name or file.
        out: Where the lakes are; trainings that were done there by the same code are not done again.
    """
    source = find_profile(profile)
    settings = dated(yaml.safe_load(source.read_text()))
    settings = _small(settings) if smoke else settings
    home = out / "staleness" / (source.stem + ("-smoke" if smoke else ""))
    variants = dict(list(VARIANTS.items())[:2]) if smoke else VARIANTS
    found: dict[str, list[Run]] = {variant: [] for variant in variants}
    for seed in range(1 if smoke else seeds):
        for variant, targets in variants.items():
            found[variant].append(_run(settings, home, seed, variant, targets, report))
    figures: Figures = {}
    for protocol in found["next"][0]:
        report(_table(protocol, found))
        figures[protocol] = {variant: _means(runs, protocol) for variant, runs in found.items()}
    return figures


def _run(
    settings: Mapping[str, Any], home: Path, seed: int, variant: str, targets: Mapping[str, Any], report: Report
) -> Run:
    def trained() -> Run:
        profile, first = home / "profile.yaml", not (home / "lake").exists()
        changed = seeded(settings, seed, home, {"targets": dict(targets)})
        profile.write_text(yaml.safe_dump(changed, sort_keys=False))
        if variant == "next":
            materialize(profile, home, "*training_set" if first else "training_set")
        materialize(profile, home, 'key:"hstu_model" or key:"evaluation"')
        artifacts = artifacts_of(Lake(root=changed["lake"]["root"]))
        evaluation = VersionEvaluation.read(artifacts / list_versions(artifacts)[-1])
        mrr = {protocol: _by_age(told) for protocol, told in evaluation.protocols.items() if told.users}
        report(f"seed {seed}, {variant}: {mrr}")
        return mrr

    kept = kept_of_this_code(home / f"{seed} {variant}.json", trained)
    return {protocol: {int(hours): mrr for hours, mrr in by.items()} for protocol, by in kept.items()}


def _by_age(report: EvaluationReport) -> dict[int, float]:
    return {point.hours: point.mrr.mean for point in report.staleness[report.candidate]}


def _small(settings: dict[str, Any]) -> dict[str, Any]:
    training = {**settings["training"], "use_content": False, "optimisation": {"epochs": 1}}
    small = {**settings, "training": training, "content": {"image": {"mode": "none"}}}
    return small | {"source": {**settings["source"], "events": 5_000}, "last_day": FIRST_DAY + timedelta(4)}


def _means(runs: Sequence[Run], protocol: Protocol) -> dict[str, list[float]]:
    """Age to mean and deviation over seeds."""
    by_age = {age: [run[protocol][age] for run in runs] for age in runs[0][protocol]}
    return {f"{age}h": mean_and_deviation(some) for age, some in by_age.items()}


def _table(protocol: Protocol, found: Mapping[str, Sequence[Run]]) -> Table:
    ages = list(found["next"][0][protocol])
    table = Table("targets", *(f"{age} h" for age in ages), title=f"MRR by age of the states, {protocol}")
    for variant, runs in found.items():
        cells = _means(runs, protocol).values()
        table.add_row(variant, *(f"{mean:.4f} ± {deviation:.4f}" for mean, deviation in cells))
    return table
