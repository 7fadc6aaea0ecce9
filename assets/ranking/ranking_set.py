"""The ranker's training set made of the tables as they are: written, counted and put in its place."""

from datetime import timedelta

from assets.ranking.dataset import ShownRule, vocabulary_before, write_ranking_set
from assets.ranking.settings import RankingSettings
from assets.sequences.item_rows import catalogue_with_rows
from assets.splits.auto import choose_split
from assets.splits.request_moments import RequestMoments
from assets.splits.settings import EvaluationSettings, Positives, SplitSettings
from assets.splits.split import SplitRule, split
from assets.training.dataset import content_digest, read_dataset, write_modalities
from assets.training.set_store import SetRecord, keep
from assets.training.training_set import content_of, data_end_of, modalities_of, newest_versions, require_same
from assets.versions import RANKING_SETS
from models.actions import action_bits
from models.strict import Strict
from storage.lake import Lake
from storage.schema import EVENTS_TABLE, ITEMS_TABLE
from storage.sequence_store import SEQUENCES_TABLE
from storage.staged_files import Staging
from storage.user_interactions import ROWS_IN_MEMORY


class RankingSetSettings(Strict):
    """All that a profile says of a ranker's training set.

    Attributes:
        seed: Chooses the users of the learning curve.
        propensity: The declared column that holds the probability with which what was shown was chosen.
    """

    exposure: str
    actions: tuple[str, ...]
    use_content: bool
    validation_users: int
    positive_actions: tuple[str, ...]
    evaluation: SplitSettings
    seed: int
    propensity: str | None = None

    @classmethod
    def of(cls, ranking: RankingSettings, evaluation: EvaluationSettings, training: Positives) -> "RankingSetSettings":
        """Of these sections, what counts here; data end where they do for the other models."""
        return cls(
            exposure=ranking.exposure,
            actions=ranking.model.actions,
            use_content=ranking.use_content,
            validation_users=ranking.validation_users,
            positive_actions=training.positive_actions,
            evaluation=SplitSettings.part_of(evaluation),
            seed=ranking.optimisation.seed,
            propensity=ranking.off_policy.propensity if ranking.off_policy else None,
        )


class RankingSetRecord(SetRecord):
    """What a ranker's training set was made of, and what it came to."""

    settings: RankingSetSettings
    validation_users: int
    shown: int
    asked: int
    asked_users: int


def make_ranking_set(
    lake: Lake, settings: RankingSetSettings, rows_in_memory: int = ROWS_IN_MEMORY
) -> RankingSetRecord:
    """Makes the ranker's training set of the newest data, and puts it in its place when it is whole.

    Args:
        rows_in_memory: Interactions at most that are read of the sequences at once.

    Raises:
        ValueError: there is nothing to learn from.
    """
    versions = newest_versions(lake, settings.use_content)
    data_end = data_end_of(lake, versions[EVENTS_TABLE])
    last_day = (data_end - timedelta(days=1)).date()
    log = lake.interactions(versions[SEQUENCES_TABLE])
    positives = action_bits(log.actions, settings.positive_actions)
    chosen_split, chosen, _ = choose_split(log, positives, settings.evaluation, last_day, rows_in_memory)
    settings = settings.model_copy(update={"evaluation": chosen_split})
    cutoff = chosen_split.cutoff_time(last_day)
    cases = split(log, SplitRule.by(chosen_split, cutoff, positives), (), rows_in_memory).leave_one_out_cases
    rule = ShownRule(
        actions=settings.actions,
        exposure=settings.exposure,
        cutoff=cutoff,
        end=cutoff + settings.evaluation.window,
        validation_users=settings.validation_users,
        seed=settings.seed,
        propensity=settings.propensity,
        held_out=RequestMoments(cases.users.users, cases.request_times),
    )
    vocabulary = vocabulary_before(log, catalogue_with_rows(lake, versions[ITEMS_TABLE]), rule)
    content = content_of(lake, versions)
    with Staging(lake) as staging:
        draft = staging.scratch / RANKING_SETS
        shown = write_ranking_set(
            draft,
            log,
            rule,
            vocabulary,
            content,
            rows_in_memory,
        )
        write_modalities(draft, modalities_of(lake, versions))
        dataset = read_dataset(draft)
        record = RankingSetRecord(
            settings=settings,
            cutoff=cutoff,
            data_end=data_end,
            table_versions=versions,
            content_digest=content_digest(draft),
            users=len(dataset.histories),
            interactions=len(dataset.histories.item_index),
            trained_items=len(vocabulary.trained),
            items=len(vocabulary.known_items),
            validation_users=len(dataset.validation),
            shown=shown.learned,
            asked=shown.asked,
            asked_users=shown.asked_users,
            chosen={f"evaluation.{key}": choice for key, choice in chosen.items()},
        )
        keep(lake, RANKING_SETS, draft, record)
    return record


def require_made_by(record: RankingSetRecord, settings: RankingSetSettings) -> None:
    """Refuses a training set of other settings than those of the run.

    Raises:
        ValueError: they differ; it names the setting.
    """
    require_same(record.settings.evaluation, settings.evaluation, "evaluation", "ranking_set")
    rest = settings.model_copy(update={"evaluation": record.settings.evaluation})
    require_same(record.settings, rest, "ranking", "ranking_set")


def nothing_asked(record: RankingSetRecord) -> str | None:
    """Why no ranker of the training set can be evaluated, and what to do; None where it can."""
    if record.asked:
        return None
    return (
        f"in the {record.settings.evaluation.window_days} day(s) from {record.cutoff:%Y-%m-%d} nothing was shown: "
        "materialize more days or widen `evaluation.window_days`"
    )
