"""Which source a profile reads: the union of all kinds, and how one is opened."""

from datetime import date
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from assets.sources.amazon_reviews import AmazonReviewsSettings, amazon_reviews
from assets.sources.demo_world.settings import DemoWorldSettings
from assets.sources.demo_world.source import DemoWorld
from assets.sources.files import Files
from assets.sources.files_settings import FilesSettings
from assets.sources.kuairand import KuaiRandSettings, kuairand
from assets.sources.movielens import MovieLens, MovieLensSettings
from assets.sources.open_bandit import OpenBanditSettings, open_bandit
from assets.sources.source import Source, SourceError
from assets.sources.yambda import Yambda, YambdaSettings

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
        raise SourceError("; ".join(_sentence(fault) for fault in error.errors())) from error
    return checked


def open_source(settings: dict[str, Any] | SourceSettings, landing: str, first_day: date) -> Source:
    """The source that the profile names.

    Args:
        settings: The profile's `source:` section; `kind` chooses the adapter.
        landing: Folder of the landing files that this platform writes itself (the demo world's).
        first_day: First day of the profile.

    Raises:
        SourceError: a setting is wrong.
    """
    match source_settings(settings):
        case DemoWorldSettings() as world:
            return DemoWorld(world, landing, first_day)
        case MovieLensSettings() as movielens:
            return MovieLens(movielens, first_day)
        case AmazonReviewsSettings() as amazon:
            return amazon_reviews(amazon, first_day)
        case YambdaSettings() as yambda:
            return Yambda(yambda, first_day)
        case KuaiRandSettings() as videos:
            return kuairand(videos, first_day)
        case OpenBanditSettings() as bandit:
            return open_bandit(bandit, first_day)
        case files:
            return Files(files, first_day)


def _sentence(fault: Any) -> str:
    where = ".".join(("source", *(str(step) for step in fault["loc"])))
    return f"{where}: {fault['msg']}"
