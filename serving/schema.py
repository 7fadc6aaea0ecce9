"""Requests and responses of the endpoint: what `/docs` shows and the client types."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, model_validator

from models.strict import Strict

MAX_K = 500
MAX_HISTORY = 2_000
MAX_EXCLUDED = 1_000
MAX_ID_LENGTH = 512

EARLIEST_MS = 100_000_000_000
LATEST_MS = 253_402_300_799_999
"""1973 to 9999: a timestamp in seconds or microseconds falls outside and is refused instead of misread."""


def _sane_id(value: str | int) -> str | int:
    text = str(value)
    if not 1 <= len(text) <= MAX_ID_LENGTH:
        raise ValueError(f"an id has 1 to {MAX_ID_LENGTH} characters, this one has {len(text)}")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("an id is Unicode text, without half a surrogate pair")
    return value


Id = Annotated[StrictInt | StrictStr, AfterValidator(_sane_id), Field(description="A string or an integer.")]
Milliseconds = Annotated[StrictInt, Field(ge=EARLIEST_MS, le=LATEST_MS, description="Epoch milliseconds, UTC.")]
K = Annotated[StrictInt, Field(ge=1, le=MAX_K, description="How many items at most.")]


class HistoryItem(Strict):
    """One interaction of an explicit history."""

    item_id: Id
    timestamp: Milliseconds | None = Field(default=None, description="When it happened, epoch milliseconds, UTC.")


class Asked(Strict):
    """Who is asked about: a known user, or a history given with the request."""

    user_id: Id | None = Field(default=None, description="A user of the log; give this or `history`.")
    history: list[HistoryItem] | None = Field(
        default=None,
        max_length=MAX_HISTORY,
        description="Items the user liked, oldest first; timestamps on all of them, ascending, or on none.",
    )
    at: Milliseconds | None = Field(
        default=None, description="The moment that is asked about, epoch milliseconds, UTC; now by default."
    )

    @model_validator(mode="after")
    def _one_of_user_and_history(self) -> Self:
        if (self.user_id is None) == (self.history is None):
            raise ValueError("give either user_id or history, and not both")
        return self

    @model_validator(mode="after")
    def _history_in_order(self) -> Self:
        given = [item.timestamp for item in self.history or [] if item.timestamp is not None]
        if given and len(given) != len(self.history or []):
            raise ValueError("history: give a timestamp with every item or with none")
        if given != sorted(given):
            raise ValueError("history: timestamps must ascend, oldest first")
        return self


class RecommendationRequest(Asked):
    """Who or what to recommend for, and what from."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"user_id": 42, "k": 5},
                {"history": [{"item_id": 7}, {"item_id": 12}], "k": 5, "category": "Comedy"},
            ]
        },
    )

    k: K = 10
    exclude_seen: StrictBool | None = Field(
        default=None,
        description="Leave out the items of the history. By default so, unless the version was made to recommend what "
        "a user has chosen again (`evaluation.repeats`).",
    )
    exclude_items: list[Id] = Field(
        default_factory=list, max_length=MAX_EXCLUDED, description="More items to leave out; unknown ones are ignored."
    )
    category: StrictStr | None = Field(default=None, max_length=512, description="Only items of this category.")


class VectorRequest(Asked):
    """Whose vector is wanted."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"user_id": 42}, {"history": [{"item_id": 7}]}]})


class SimilarRequest(Strict):
    """Which item to find neighbours of."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"item_id": 7, "k": 5}]})

    item_id: Id
    k: K = 10


class RankedItem(Strict):
    """One item of an answer."""

    item_id: str | int
    title: str | None
    categories: list[str]
    score: float = Field(
        description="What items are ranked by, on the model's own scale: a cosine or logit, a sum of similarities, a "
        "product; a decayed count from popularity."
    )


class Shortage(Strict):
    """Why there are fewer items than asked for: what became of all the others. Each counts where it first applies."""

    detail: str = Field(description="The same in one sentence.")
    known: int = Field(description="Items that the version knows.")
    gone: int = Field(default=0, description="No longer in the catalogue.")
    not_available_yet: int = Field(default=0, description="Available later than the moment asked for.")
    of_other_categories: int = Field(default=0, description="Not of the category asked for.")
    seen: int = Field(default=0, description="In the history, which is left out.")
    excluded: int = Field(
        default=0, description="Named in `exclude_items`, or the item whose neighbours are asked for."
    )
    without_score: int = Field(default=0, description="Without a score that is a number.")


class Recommendations(Strict):
    """Items, best first, and where they come from."""

    items: list[RankedItem]
    version: str = Field(description="Version of the model that answered.")
    family: str = Field(description="Family of models that the version is of, such as hstu, item_knn or popularity.")
    source: Literal["model", "popularity"]
    reason: str | None = Field(description="Why popularity answered instead of the model, or why there is no item.")
    shortage: Shortage | None = Field(default=None, description="null: there are as many items as asked for.")
    history_length: int = Field(description="Interactions that the model read.")
    from_batch: bool = Field(
        default=False,
        description="Whether a vector answered that a nightly batch made of this history; false: it was read live.",
    )


class SimilarItems(Strict):
    """The neighbours of an item in the model's space, nearest first."""

    item: RankedItem = Field(description="The item that was asked about; its score is 1.")
    items: list[RankedItem]
    version: str
    family: str = Field(description="Family of models that the version is of.")
    shortage: Shortage | None = Field(default=None, description="null: there are as many items as asked for.")


class UserVector(Strict):
    """A user as a vector, of which other models can make something."""

    vector: list[float] = Field(
        description="Its dot product with the vector of an item, from the table `item_vectors`, is the item's score; "
        "equal, up to rounding, to the table's vector of a user who has done nothing since and is asked about `as_of`."
    )
    space: str = Field(description="Vectors of one space can be compared, whatever version they are of.")
    version: str
    family: str = Field(description="Family of models that the version is of.")
    as_of: int = Field(description="The moment of the request, epoch milliseconds, UTC.")
    history_length: int = Field(description="Interactions that the model read.")


class EndpointStatus(Strict):
    """What one replica serves and what it was told to serve."""

    profile: str | None = Field(
        default=None, description="Profile whose release is being served; null before the first one."
    )
    version: str | None = Field(description="Version being served; null before the first one is loaded.")
    family: str | None = Field(default=None, description="Family of models that the version is of.")
    release: str | None = Field(description="Fingerprint of the release being served: version and tables.")
    desired_version: str | None
    desired_release: str | None
    loading: bool = Field(description="Whether a release is being loaded beside the one being served.")
    last_error: str | None = Field(description="Why the newest release that was tried is not being served.")
    model_failures: int = Field(
        default=0, description="Requests on which the served model failed: popularity answered them."
    )
    last_failure: str | None = Field(default=None, description="What it failed with last.")
    data_cutoff: datetime | None = Field(description="The model was trained on interactions before this moment.")
    items: int
    new_items: int = Field(default=0, description="How many of these came after the version was trained.")
    users: int
    user_vectors: int = Field(default=0, description="Users who have a vector of a nightly batch that answers.")
    space: str | None = Field(default=None, description="Space of the vectors; null: none were published.")
    loaded_at: datetime | None
    load_seconds: float | None
    replica: str


class Health(Strict):
    """Whether requests can be answered."""

    status: Literal["ok"] = "ok"


class Problem(BaseModel):
    """Body of every answer that is not a 2xx: one readable sentence."""

    detail: str
