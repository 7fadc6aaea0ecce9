"""`genrec bench new-items`: how often new items are expected to be chosen, and what that does for them and for all.

The model of a profile is trained with several seeds. Each is calibrated anew by held-out users alone, and by what
everybody chose with every optimism (`training.new_item_optimism`), and asked what the line's evaluation asks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from rich.table import Table

from assets.evaluation.evaluate_version import questions_of
from assets.training.dataset import Dataset, read_dataset
from assets.versions import ARTIFACTS, DATASETS
from benchmarks.figures import Figures, Report, mean_and_deviation
from benchmarks.line import FIRST_DAY, dated, kept_of_this_code, materialize, seeded
from models.artifact import Artifact, load_artifact
from models.evaluation.evaluate import RankingSettings, evaluate, standard_slices
from models.evaluation.model_scorer import ModelScorer
from models.evaluation.ranking import excluded_from
from models.evaluation.report import OVERALL
from models.families.registry import build, family_of
from models.heads.popularity import PopularityHead
from models.manifest import list_versions
from models.recommender import Recommender
from orchestration.profile import find_profile
from storage.lake import Lake

BY_HELD_OUT = "held-out users alone"
OPTIMISM = (0.0, 1.0, 2.0, 4.0, 6.0)
EXPECTED, CHOSEN, ALL, COLD = "expected", "chosen", "ndcg@10", "cold ndcg@10"

Run = dict[str, dict[str, float]]
"""Variant to figure."""


def run(profile: str, seeds: int, out: Path, smoke: bool, report: Report) -> Figures:
    """By variant, mean and deviation over seeds of the share of new items and of NDCG@10.

    Args:
        profile: Its name or file; of a family with popularity.
        out: Where the lakes are; trainings that were done there by the same code are not done again.
    """
    source = find_profile(profile)
    settings = dated(yaml.safe_load(source.read_text()))
    home = out / "new-items" / (source.stem + ("-smoke" if smoke else ""))
    if smoke:
        settings["source"] = {**settings["source"], "events": 12_000}
        settings["training"] = {**settings["training"], "optimisation": {"epochs": 1}}
        settings["content"] = {"text": {"max_length": 16}, "image": {"mode": "none"}}
        settings["last_day"] = FIRST_DAY + timedelta(6)
    runs = [_run(settings, home, seed, report) for seed in range(1 if smoke else seeds)]
    report(_table(source.stem, runs))
    return {variant: _over_seeds(runs, variant) for variant in runs[0]}


def _run(settings: Mapping[str, Any], home: Path, seed: int, report: Report) -> Run:
    def trained() -> Run:
        profile, first = home / "profile.yaml", not (home / "lake").exists()
        changed = seeded(settings, seed, home)
        profile.write_text(yaml.safe_dump(changed, sort_keys=False))
        materialize(profile, home, "*training_set" if first or not seed else "training_set")
        materialize(profile, home, 'key:"hstu_model"')
        lake = Lake(root=changed["lake"]["root"])
        folder = lake.folder(f"{ARTIFACTS}/hstu")
        found = _of_variants(lake, load_artifact(folder / list_versions(folder)[-1]))
        report(f"seed {seed}: {found}")
        return found

    kept: Run = kept_of_this_code(home / f"{seed}.json", trained)
    return kept


def _of_variants(lake: Lake, artifact: Artifact) -> Run:
    dataset = read_dataset(lake.folder(DATASETS) / artifact.manifest.training_set)
    alone = _measured(lake, artifact, _calibrated(artifact, replace(dataset, arrivals=None), 0.0), dataset)
    return {BY_HELD_OUT: alone} | {
        f"optimism {optimism:g}": _measured(lake, artifact, _calibrated(artifact, dataset, optimism), dataset)
        for optimism in OPTIMISM
    }


def _calibrated(artifact: Artifact, dataset: Dataset, optimism: float) -> Recommender:
    """The model with its content, without which it cannot tell what an item is like that has no ID."""
    items = artifact.model.config.items.model_copy(update={"new_item_optimism": optimism})
    config = artifact.model.config.model_copy(update={"items": items})
    trained, content = (torch.from_numpy(np.array(one)) for one in (dataset.vocabulary.trained, dataset.content))
    model: Recommender = build(config, len(dataset.vocabulary), trained, content, dataset.popularity)
    model.load_state_dict(artifact.model.state_dict(), strict=False)
    assert isinstance(model.head, PopularityHead)
    torch.nn.init.zeros_(model.head.balance.new)
    family_of(config).calibrate(model.eval(), dataset)
    return model


def _measured(lake: Lake, artifact: Artifact, model: Recommender, dataset: Dataset) -> dict[str, float]:
    questions = questions_of(lake, artifact)
    cases, catalogue = questions.cases["time"], questions.catalogue
    scorer = ModelScorer("model", Artifact.of(artifact.manifest, model, dataset.vocabulary), artifact.vocabulary)
    shares = []
    for part in cases.batches(256):
        scores = torch.from_numpy(scorer.score(part)).double()
        # What is expected knows no targets, and so not those either that came later than the request.
        unknown = excluded_from(part, catalogue) | (catalogue.available_from > part.request_times[:, None])
        scores[torch.from_numpy(unknown)] = -torch.inf
        shares.append(scores.softmax(1)[:, torch.from_numpy(catalogue.cold)].sum(1))
    told = evaluate([scorer], cases, catalogue, standard_slices(cases, catalogue, 5), RankingSettings())
    measures = told.scorers["model"]
    return {
        EXPECTED: float(torch.cat(shares).mean()),
        CHOSEN: float(catalogue.cold[cases.targets].mean()),
        ALL: measures[OVERALL]["ndcg@10"].mean,
        COLD: measures["cold"]["ndcg@10"].mean,
    }


def _over_seeds(runs: Sequence[Run], variant: str) -> dict[str, list[float]]:
    return {figure: mean_and_deviation([run[variant][figure] for run in runs]) for figure in runs[0][variant]}


def _table(profile: str, runs: Sequence[Run]) -> Table:
    table = Table("popularity of new items by", *runs[0][BY_HELD_OUT], title=f"New items, {profile}, {len(runs)} seeds")
    for variant in runs[0]:
        cells = _over_seeds(runs, variant).values()
        table.add_row(variant, *(f"{mean:.4f} ± {deviation:.4f}" for mean, deviation in cells))
    return table
