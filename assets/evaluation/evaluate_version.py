"""Judges one version: candidate, champion, simple models, ablation and oracle on the same questions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from assets.evaluation.oracle import KnownTruth, Oracle
from assets.evaluation.questions import Questions, make_questions
from assets.evaluation.whole_histories import WholeHistoryScorer
from assets.items.catalogue import catalogue_at, gone_at
from assets.splits.settings import EvaluationSettings
from assets.versions import DATASETS, RECORD
from models.columns import AVAILABLE_FROM, ITEM_ID
from models.evaluation.report import Contestant, VersionEvaluation
from models.families.registry import family_named
from models.manifest import Manifest, read_manifest
from storage.lake import Lake
from storage.sequence_store import SEQUENCES_TABLE

if TYPE_CHECKING:
    from assets.training.training_set import TrainingSetRecord
    from models.artifact import Artifact
    from models.evaluation.evaluate import Progress
    from models.evaluation.report import EvaluationReport, Protocol
    from models.evaluation.scorer import Scorer
    from models.vocabulary import Vocabulary

CHAMPION = "champion"
REFERENCE = "from_scratch"
"""The newest version of the candidate's family that was trained from scratch, where the candidate was not."""

POPULARITY = "popularity"


def ablation_of(candidate: str) -> str:
    """The scorer of a candidate's ablation; the candidate's own is called after its family."""
    return f"{candidate}_without_content"


class EvaluationError(ValueError):
    """There is nothing to evaluate; the message says what to change."""


class BrokenCandidate(EvaluationError):
    """The version that was to be evaluated is broken, or cannot score; the message says why."""


def evaluate_version(
    lake: Lake,
    folder: Path,
    settings: EvaluationSettings,
    *,
    champion: Path | None = None,
    rivals: Mapping[str, Path] = MappingProxyType({}),
    without_content: Path | None = None,
    reference: Path | None = None,
    truth: KnownTruth | None = None,
    progress: Progress | None = None,
) -> VersionEvaluation:
    """Evaluates the version in `folder` on the data that it was made with.

    Where the primary protocol asks nobody its report is empty, and says so.

    The split is that of the version's training: its training set holds the cases.

    Args:
        lake: The tables.
        folder: The version's artifact.
        settings: The profile's settings.
        champion: Artifact of the champion in place, evaluated on the same cases. It is left out if it was trained on
            data after this version's cutoff, for then it has seen the answers; and if it is broken, which the result
            says, too: what cannot be served cannot keep another version from being served.
        rivals: Artifacts of other families that were made of the same training set or, where they read all that
            happened, of the same data, by the names of their families, the simple models among them. Broken ones are
            left out.
        without_content: Artifact of the same model trained without content embeddings; left out if it is broken.
        reference: Artifact of the newest version of its family that was trained from scratch, where this one was not:
            asked the same, to see that nights that train on from each other do not fall behind. Where it has seen the
            answers it is left out. It is no contestant.
        truth: The source, where it knows what its users want.
        progress: Told of every batch.

    Raises:
        EvaluationError: the training set is gone or of another window.
        BrokenCandidate: the version is not one that the endpoint would serve, or cannot score.
        NoRivals: cases have no item that their targets could be ranked against.
    """
    from assets.training.training_set import evaluation_of

    candidate = _candidate(folder)
    name = candidate.family.name
    is_there = champion and champion.name in {candidate.version, *(path.name for path in rivals.values())}
    given = {
        CHAMPION: None if is_there else champion,
        **rivals,
        ablation_of(name): without_content,
        REFERENCE: reference,
    }
    others, broken = _load({name: path for name, path in given.items() if path})
    left_out = dict(broken)
    for other in (CHAMPION, REFERENCE):
        if other in others and others[other].manifest.cutoff > candidate.manifest.cutoff:
            left_out[other] = f"it was trained until {others.pop(other).manifest.cutoff}: it has seen the answers"
    record = _training_set(lake, candidate, settings)
    settings = evaluation_of(record, settings)
    questions = questions_of(lake, candidate)
    scorers = [
        *_models({name: candidate, **others}, candidate, lake, questions),
        *([Oracle(truth, candidate.vocabulary)] if truth else []),
    ]
    contestants = _contestants({name: candidate, **others}, without={ablation_of(name), REFERENCE})
    protocols, failed = _evaluate_all_that_can(scorers, others, contestants, questions, settings, progress)
    broken, left_out = broken | failed, left_out | failed
    contestants = {scorer: contestant for scorer, contestant in contestants.items() if scorer not in failed}
    scored = {contestant.version for contestant in contestants.values()}
    return VersionEvaluation(
        version=candidate.version,
        champion=champion.name if champion and champion.name in scored else None,
        broken_champion=_broken(champion, given, broken),
        incumbent=_incumbent(champion),
        contestants=contestants,
        left_out=left_out,
        ancestors=candidate.manifest.ancestors,
        cutoff=candidate.manifest.cutoff,
        window_days=settings.window_days,
        seed=settings.seed,
        table_versions=candidate.manifest.table_versions,
        primary_protocol=settings.primary_protocol,
        metric=settings.metric,
        protocols=protocols,
    )


def _candidate(folder: Path) -> Artifact:
    from models.artifact import load_artifact
    from serving.loaded import check_answers

    try:
        artifact = load_artifact(folder)
        check_answers(artifact, folder)
        return artifact
    except Exception as error:
        # A damaged folder fails in as many ways as there are libraries that read it.
        raise BrokenCandidate(f"version {folder.name} cannot answer: {type(error).__name__}: {error}") from error


def _contestants(artifacts: Mapping[str, Artifact], without: Collection[str]) -> dict[str, Contestant]:
    return {
        name: Contestant(version=artifact.version, family=artifact.family.name, created=artifact.manifest.created)
        for name, artifact in artifacts.items()
        if name not in without
    }


def _incumbent(champion: Path | None) -> Contestant | None:
    """What the champion's folder says of it, though its model may not load."""
    if champion is None:
        return None
    try:
        manifest = read_manifest(champion)
    except (OSError, ValueError):
        return None
    return Contestant(version=champion.name, family=manifest.family, created=manifest.created)


def _broken(champion: Path | None, given: Mapping[str, Path | None], broken: Collection[str]) -> str | None:
    """The champion's name, if it is among what is broken."""
    return champion.name if champion and champion in (given.get(name) for name in broken) else None


def _load(folders: Mapping[str, Path]) -> tuple[dict[str, Artifact], dict[str, str]]:
    """The artifacts that the endpoint would serve, and why the others are none of these."""
    from models.artifact import load_artifact
    from serving.loaded import check_answers

    artifacts: dict[str, Artifact] = {}
    broken: dict[str, str] = {}
    for name, folder in folders.items():
        try:
            artifact = load_artifact(folder)
            check_answers(artifact, folder)
        except Exception as error:
            # A damaged folder fails in as many ways as there are libraries that read it.
            broken[name] = f"{type(error).__name__}: {error}"
        else:
            artifacts[name] = artifact
    return artifacts, broken


def questions_of(lake: Lake, candidate: Artifact) -> Questions:
    """What the training set of a version holds to ask it."""
    return questions_for(lake, candidate.manifest, candidate.vocabulary)


def questions_for(lake: Lake, manifest: Manifest, vocabulary: Vocabulary) -> Questions:
    """What a training set holds to ask a version that is made of it, whether or not there is one yet.

    Args:
        manifest: Names the training set, and its cutoff.
        vocabulary: The version's.
    """
    from assets.training.dataset import read_held_out

    held_out = read_held_out(lake.folder(DATASETS) / manifest.training_set)
    day = manifest.cutoff.date()
    items = catalogue_at(lake, day).select(ITEM_ID, AVAILABLE_FROM).join(gone_at(lake, day), on=ITEM_ID, how="left")
    return make_questions(held_out, items.collect(), vocabulary)


def _training_set(lake: Lake, candidate: Artifact, settings: EvaluationSettings) -> TrainingSetRecord:
    """The record of the candidate's own, whatever training sets were made since."""
    from assets.training.set_store import read_record
    from assets.training.training_set import TrainingSetRecord

    name, refusal = candidate.manifest.training_set, f"version {candidate.version} cannot be evaluated"
    folder = lake.folder(DATASETS) / name
    if not (name and (folder / RECORD).exists()):
        raise EvaluationError(
            f"{refusal}: its training set {name or '(it names none)'} is not in {lake.folder(DATASETS)}, as it was "
            "deleted, which forgetting a person does to all, or made by earlier code; materialize `training_set` and "
            f"`hstu_model` for a version that can"
        )
    record = read_record(folder, TrainingSetRecord)
    for key in ("window_days", "max_users"):
        made, asked = getattr(record.settings.evaluation, key), getattr(settings, key)
        if made != asked and key not in settings.left_to_data:
            raise EvaluationError(
                f"{refusal}: evaluation.{key} is {asked}, but its training set was made with {made}; materialize "
                "`training_set` and `hstu_model` again, or set it back"
            )
    return record


def _models(artifacts: Mapping[str, Artifact], candidate: Artifact, lake: Lake, questions: Questions) -> list[Scorer]:
    """The versions; those that read all that happened read it of the log that the candidate's set was made of."""
    from models.evaluation.model_scorer import ModelScorer

    manifest = candidate.manifest
    scorers: list[Scorer] = []
    for name, artifact in artifacts.items():
        model = ModelScorer(name, artifact, candidate.vocabulary)
        if artifact.family.reads == "all":
            log = lake.interactions(manifest.table_versions[SEQUENCES_TABLE])
            cutoff_ms = int(manifest.cutoff.timestamp() * 1000)
            scorers.append(WholeHistoryScorer.of(model, log, questions.cases.values(), cutoff_ms))
        else:
            scorers.append(model)
    return scorers


def _evaluate_all_that_can(
    scorers: Sequence[Scorer],
    may_fail: Collection[str],
    contestants: Mapping[str, Contestant],
    questions: Questions,
    settings: EvaluationSettings,
    progress: Progress | None,
) -> tuple[dict[Protocol, EvaluationReport], dict[str, str]]:
    """The reports without those scorers of `may_fail` that cannot score, and why these cannot."""
    from models.evaluation.evaluate import ScoresError

    try:
        return _evaluate(scorers, contestants, questions, settings, progress), {}
    except ScoresError as error:
        if error.scorer == scorers[0].name:
            raise BrokenCandidate(str(error)) from error
        if error.scorer not in may_fail:
            raise
        rest = [scorer for scorer in scorers if scorer.name != error.scorer]
        reports, failed = _evaluate_all_that_can(rest, may_fail, contestants, questions, settings, progress)
        return reports, {error.scorer: str(error), **failed}


def _evaluate(
    scorers: Sequence[Scorer],
    contestants: Mapping[str, Contestant],
    questions: Questions,
    settings: EvaluationSettings,
    progress: Progress | None,
) -> dict[Protocol, EvaluationReport]:
    from models.evaluation.evaluate import RankingSettings, evaluate, standard_slices

    ranking = RankingSettings(settings.ks, settings.resamples, settings.seed, settings.batch_users)
    aged = [name for name, of in contestants.items() if family_named(of.family).reads != "nothing"]
    reports = {}
    for protocol, cases in questions.cases.items():
        slices = standard_slices(cases, questions.catalogue, settings.short_history)
        report = evaluate(scorers, cases, questions.catalogue, slices, ranking, progress, contestants, aged)
        reports[protocol] = report.without_rivals(questions.without_rivals[protocol])
    return {settings.primary_protocol: _of_nobody(scorers, questions), **reports}


def _of_nobody(scorers: Sequence[Scorer], questions: Questions) -> EvaluationReport:
    """The report of a protocol that has no case."""
    from models.evaluation.report import EvaluationReport

    return EvaluationReport(
        users=0,
        targets=0,
        items=max(1, questions.catalogue.offered),
        candidate=scorers[0].name,
        scorers={scorer.name: {} for scorer in scorers},
        differences={},
    )
