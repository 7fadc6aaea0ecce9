"""From a training set to its law of scaling: what is swept over, and what the trials say."""

from assets.data_version import digest
from assets.evaluation.evaluate_version import questions_for
from assets.scaling.settings import ScalingSettings
from assets.scaling.sweep import Sweep
from assets.splits.settings import EvaluationSettings
from assets.training.dataset import VOCABULARY, content_digest
from assets.training.ray_train import TrainingJob
from assets.training.settings import TrainingSettings
from assets.training.training_set import TrainingSetRecord, evaluation_of, without_cases
from assets.training.version import fitted, new_manifest
from assets.versions import DATASETS, RUNS, SWEEPS
from models.vocabulary import Vocabulary
from storage.lake import Lake


def plan_of(
    lake: Lake,
    profile: str,
    record: TrainingSetRecord,
    training: TrainingSettings,
    evaluation: EvaluationSettings,
    settings: ScalingSettings,
    code: str,
) -> Sweep:
    """The sweep over a training set, kept in a folder that follows from all that decides what a trial comes to.

    Args:
        record: The training set's.
        training: How every trial is trained, and what of the model does not differ.
        evaluation: By its primary protocol all are asked.
        code: Version of what trains; trials of another one are not gone on with.

    Raises:
        ValueError: that protocol asks nobody.
    """
    dataset, learned = lake.folder(DATASETS) / record.name, record.settings.training
    protocol = evaluation_of(record, evaluation).primary_protocol
    model = fitted(training.model, training, dataset)
    manifest = new_manifest(profile, model.family, training, record, learned.positive_actions, learned.merge_adjacent)
    questions = questions_for(lake, manifest, Vocabulary.read(dataset / VOCABULARY))
    if protocol not in questions.cases:
        raise ValueError(f"sizes cannot be compared: {without_cases(record, protocol)}")
    name = digest(code, content_digest(dataset), model, training.optimisation, protocol, settings.epochs)
    folder = lake.folder(RUNS) / SWEEPS / name
    job = TrainingJob(str(dataset), str(folder), model, training.optimisation, workers=0)
    return Sweep(job, settings, manifest, questions.cases[protocol], questions.catalogue)
