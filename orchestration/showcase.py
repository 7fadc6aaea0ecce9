"""What the demo shows at its end: one user's history beside what the live endpoint recommends."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from assets.endpoint.example import Example, ask_for_example, example_table
from assets.endpoint.rollout import positive_actions
from assets.versions import releases_of
from orchestration.profile import Profile
from serving.client import EndpointClient
from serving.schema import RecommendationRequest
from serving.settings import EndpointSettings
from storage.lake import Lake


def show(profile: Profile, console: Console) -> None:
    """Asks the endpoint over HTTP for one telling user, and says where everything is.

    Raises:
        EndpointError: the endpoint does not answer, or serves something else than the profile's champion.
    """
    lake = Lake(profile.lake_root, profile.lake.storage_options, profile.artifacts_root, profile.family)
    settings = EndpointSettings.model_validate(profile.endpoint)
    with EndpointClient(settings.base_url, settings.client_timeout_s) as client:
        version = str(client.require(profile.name, releases_of(lake).champion()).version)
        example = ask_for_example(lake, client, positive_actions(lake, version))
    console.print(_side_by_side(example))
    for what, where in (
        ("endpoint", settings.base_url),
        ("its API", f"{settings.base_url}/docs"),
        ("model", f"{version} ({example.answer.family}), an answer of its {example.answer.source}"),
        ("Dagster's UI", "make ui"),
        ("stop everything", "make down"),
    ):
        console.print(Text.assemble((f"{what:<16}", "bold"), f" {where}"), soft_wrap=True)


def recommend(profile: Profile, user: str, k: int, console: Console) -> None:
    """Prints the endpoint's answer for one user.

    Raises:
        ValueError: such a user or so many items cannot be asked for.
        EndpointError: the endpoint does not answer, or serves something else than the profile's champion.
    """
    request = RecommendationRequest(user_id=user, k=k)
    lake = Lake(profile.lake_root, profile.lake.storage_options, profile.artifacts_root, profile.family)
    settings = EndpointSettings.model_validate(profile.endpoint)
    with EndpointClient(settings.base_url, settings.client_timeout_s) as client:
        client.require(profile.name, releases_of(lake).champion())
        answer = client.recommend(request)
    told = [answer.reason, answer.shortage.detail if answer.shortage else None]
    caption = "; ".join(dict.fromkeys(sentence for sentence in told if sentence)) or None
    table = Table(title=f"user {user}: {answer.source} of version {answer.version} ({answer.family})", caption=caption)
    for name in ("item", "title", "score"):
        table.add_column(name)
    for item in answer.items:
        table.add_row(str(item.item_id), item.title or "", f"{item.score:.3f}")
    console.print(table)


def _side_by_side(example: Example) -> Table:
    frame = example_table(example)
    table = Table(*frame.columns)
    for row in frame.iter_rows():
        table.add_row(*row)
    return table
