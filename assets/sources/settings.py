"""Which source a profile reads: the union of all kinds, and how one is opened."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from assets.sources import kuairand, open_bandit
from assets.sources.amazon_reviews import AmazonReviewsSettings, amazon_reviews
from assets.sources.demo_world import source as demo_world
from assets.sources.demo_world.settings import DemoWorldSettings
from assets.sources.files import Files
from assets.sources.files_settings import FilesSettings
from assets.sources.kuairand import KuaiRandSettings
from assets.sources.movielens import MovieLens, MovieLensSettings
from assets.sources.open_bandit import OpenBanditSettings
from assets.sources.source import Source, SourceError
from assets.sources.yambda import Yambda, YambdaSettings
from models.declared import NO_COLUMNS, DeclaredColumns
from models.strict import sentence

SourceSettings = Annotated[
    DemoWorldSettings
    | MovieLensSettings
    | AmazonReviewsSettings
    | YambdaSettings
    | KuaiRandSettings
    | OpenBanditSettings
    | FilesSettings,
    Field(discriminator="kind"),
]


def source_settings(settings: dict[str, Any] | SourceSettings) -> SourceSettings:
    """The profile's `source:` section, checked.

    Raises:
        SourceError: a setting is unknown, missing or of the wrong type.
    """
    try:
        checked: SourceSettings = TypeAdapter(SourceSettings).validate_python(settings)
    except ValidationError as error:
        raise SourceError(sentence(error, "source", given=settings)) from error
    return checked


OFFERED: Mapping[str, DeclaredColumns] = {
    "demo_world": demo_world.OFFERED,
    "kuairand": kuairand.OFFERED,
    "open_bandit": open_bandit.OFFERED,
}
"""Kind of source to the columns beside the contract's that it has, which a profile may declare."""


def require_offered(settings: SourceSettings, declared: DeclaredColumns) -> None:
    """Whether the source has the columns that the profile declares.

    Raises:
        SourceError: it has no such column, or one that is known at another time.
    """
    if isinstance(settings, FilesSettings):
        settings.declaring(declared)
        return
    offered = OFFERED.get(settings.kind, {})
    for name, column in declared.items():
        if name not in offered:
            raise SourceError(
                f"quality.columns declares {name!r}, but the source {settings.kind} has "
                f"{', '.join(offered) or 'no column beside the contract'}: leave it out"
            )
        if column.known != offered[name].known:
            raise SourceError(
                f"quality.columns.{name}: known is {column.known}, but in the source {settings.kind} it is "
                f"{offered[name].known}: write that"
            )


def open_source(
    settings: dict[str, Any] | SourceSettings, landing: str, first_day: date, declared: DeclaredColumns = NO_COLUMNS
) -> Source:
    """The source that the profile names.

    Args:
        settings: The profile's `source:` section; `kind` chooses the adapter.
        landing: Folder of the landing files that this platform writes itself (the demo world's).
        first_day: First day of the profile.
        declared: The columns of events that the profile declares.

    Raises:
        SourceError: a setting is wrong, or the source has not what is declared.
    """
    checked = source_settings(settings)
    require_offered(checked, declared)
    match checked:
        case DemoWorldSettings() as world:
            return demo_world.DemoWorld(world, landing, first_day, declared)
        case MovieLensSettings() as movielens:
            return MovieLens(movielens, first_day)
        case AmazonReviewsSettings() as amazon:
            return amazon_reviews(amazon, first_day)
        case YambdaSettings() as yambda:
            return Yambda(yambda, first_day)
        case KuaiRandSettings() as videos:
            return kuairand.kuairand(videos, first_day, declared)
        case OpenBanditSettings() as bandit:
            return open_bandit.open_bandit(bandit, first_day, declared)
        case files:
            return Files(files, first_day, declared=declared)
