"""What an ARGUS model is made of."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal, get_args

from pydantic import Discriminator, Field, Tag, model_validator

from models.auto import FROM_DATA
from models.columns import ACTIONS
from models.config.model import HstuConfig, PreNormConfig, StuConfig, TrainedConfig
from models.strict import Strict

NEXT_ITEM = "next_item"

Role = Literal["context", "item", "feedback"]
"""Of a column: context is known at the request; item as well, but it tells of the item that is shown, so that who
predicts the item must not see it; feedback is known after the action."""


class ColumnConfig(Strict):
    """A column of interactions that the model reads. It has `values` where it is a category, else `edges`."""

    name: str = Field(description="Name of the column.")
    role: Role = Field(description="What it is to the model.")
    values: tuple[str, ...] = Field(default=(), description="Names of a category, in the order of its codes.")
    edges: tuple[float, ...] = Field(default=(), description="Bounds between the buckets of a number, ascending.")

    @model_validator(mode="after")
    def _edges_ascend(self) -> "ColumnConfig":
        _refuse_descent(self.name, self.edges)
        return self


class FactorConfig(Strict):
    """One of the independent parts of what came of an interaction: each has some classes, one of which is true.

    An `action` was taken or not. A `column` that is known after the action has a class for each bucket between `edges`
    if it is a number, for each name if it is a category.
    """

    name: str = Field(min_length=1, description="Name of the factor and of its loss.")
    action: str = Field(default="", description="The action that was taken or not.")
    column: str = Field(default="", description="The outcome, in place of an action.")
    edges: tuple[float, ...] = Field(default=(), description="Bounds between the classes of a number, ascending.")
    absent: int | None = Field(
        default=None,
        ge=0,
        description="Class of an interaction where the column is empty; null: it has no label there.",
    )

    @model_validator(mode="after")
    def _one_origin(self) -> "FactorConfig":
        if self.name == NEXT_ITEM:
            raise ValueError(f"no factor can be called {NEXT_ITEM}, which is the other loss")
        if bool(self.action) == bool(self.column):
            raise ValueError(f"factor {self.name} is told by an action or by a column: name one of both")
        if self.action and (self.edges or self.absent is not None):
            raise ValueError(f"factor {self.name} is told by an action, which has neither edges nor a class if absent")
        _refuse_descent(self.name, self.edges)
        return self


class EmbeddingConfig(Strict):
    """The one hashed table of all categorical features (Coleman et al., arXiv 2305.12102; ARGUS spec section 2.3)."""

    rows: int = Field(default=1 << 16, ge=2, description="Rows of the table.")
    dim: int = Field(default=16, ge=1, description="Width of a row.")
    lookups: int = Field(default=3, ge=1, description="Rows that are read of each value, put side by side.")


class QualityConfig(Strict):
    """How items' quality and users' leniency are counted (`models.argus.quality`)."""

    folds: int = Field(
        default=5,
        ge=2,
        description="Parts of the users; in training each is told by what the others made of an item.",
    )


def _name_of(backbone: object) -> object:
    return backbone.get("name", "transformer") if isinstance(backbone, dict) else getattr(backbone, "name", None)


ArgusBackbone = Annotated[
    Annotated[PreNormConfig, Tag("transformer")]
    | Annotated[HstuConfig, Tag("hstu_research")]
    | Annotated[StuConfig, Tag("hstu_dlrm_v3")],
    Discriminator(
        _name_of,
        custom_error_type="backbone_name",
        custom_error_message="the backbone's name is not one of transformer, hstu_research, hstu_dlrm_v3",
    ),
]

Clock = Literal["hour", "weekday", "gap"]

Size = Literal["mini", "small", "medium", "large", "hstu"]

HEAD_DIM = 64
"""The published sizes do not say how many heads they have."""

_PUBLISHED_TABLE = {"rows": 1 << 19, "dim": 256}
_LAYERS_AND_WIDTH = {"mini": (4, 256), "small": (6, 512), "medium": (10, 1024), "large": (20, 2048)}


def size(name: Size) -> dict[str, Any]:
    """The published sizes, as fields of `ArgusConfig` (ARGUS paper Table 3).

    `hstu` is what the paper compares `medium` with: its 176 M parameters are those of 24 layers of `hstu_dlrm_v3`.
    """
    layers, width = (24, 1024) if name == "hstu" else _LAYERS_AND_WIDTH[name]
    shape: dict[str, Any] = {"layers": layers, "heads": width // HEAD_DIM}
    if name == "hstu":
        shape |= {"name": "hstu_dlrm_v3", "head_dim": HEAD_DIM}
    return {"width": width, "output_width": 512, "backbone": shape, "embedding": _PUBLISHED_TABLE, "max_length": 512}


class ArgusConfig(TrainedConfig):
    """Everything that fixes the shape and the function of an ARGUS model (arXiv 2507.15994)."""

    family: Literal["argus"] = "argus"
    size: Size | None = Field(
        default=None, description="A published size, which fills in the fields that are left out; else null."
    )
    max_length: Annotated[int, FROM_DATA] = Field(
        default=512, ge=1, description="Interactions of a chunk: those that the model sees at most."
    )
    output_width: int = Field(default=64, ge=1, description="Width of the vectors by which the next item is found.")
    form: Literal["summed", "interleaved"] = Field(
        default="summed",
        description="summed: one token an interaction, the sum of context, item and feedback; interleaved: three.",
    )
    backbone: ArgusBackbone = PreNormConfig()
    embedding: EmbeddingConfig = EmbeddingConfig()
    hidden: int = Field(default=128, ge=1, description="Hidden width of the towers and of the heads.")
    input_dropout: Annotated[float, FROM_DATA] = Field(
        default=0.1, ge=0, lt=1, description="Dropout on the encoder's input."
    )
    item_id: bool = Field(default=True, description="Whether an item has an ID of its own, beside its content.")
    id_masking: Annotated[float, FROM_DATA] = Field(
        default=0.05,
        ge=0,
        lt=1,
        description="Share of the IDs that training replaces by the one of items that it never saw.",
    )
    clock: tuple[Clock, ...] = Field(
        default=("hour", "gap"),
        description="What the context tells of the time of the request (UTC), and since the interaction before.",
    )
    actions: tuple[str, ...] = Field(
        default=(), max_length=31, description="Bit k of an action mask is action k; all of them are feedback."
    )
    columns: tuple[ColumnConfig, ...] = Field(default=(), description="What else is read of an interaction.")
    factors: tuple[FactorConfig, ...] = Field(default=(), description="What is told of the feedback; none: nothing.")
    next_item: bool = Field(default=True, description="Whether the next item is told.")
    popularity: Annotated[bool, FROM_DATA] = Field(
        default=False,
        description="Whether how popular an item is when it is asked for is a part of how likely it comes next, at a "
        "learned weight. Who learns from the past then sees it as it was: what was new has neither ID nor popularity, "
        "what came later is not there. false: a cosine and a temperature alone, as published.",
    )
    popularity_half_life_days: Annotated[float, FROM_DATA] = Field(
        default=7.0, gt=0, allow_inf_nan=False, description="Age at which an interaction counts half in popularity."
    )
    context_masking: Annotated[float, FROM_DATA] = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of the interactions of which training hides the context but for the time, as whoever looks "
        "through a whole catalogue does not know it.",
    )
    quality: QualityConfig | None = Field(
        default=None,
        description="Items' quality and users' leniency as offsets of what is told of the feedback; null: without.",
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_in_the_size(cls, values: dict[str, Any]) -> dict[str, Any]:
        if values.get("size") in get_args(Size):
            return {**size(values["size"]), **values, "size": None}
        return values

    @model_validator(mode="after")
    def _consistent(self) -> "ArgusConfig":
        if not isinstance(self.backbone, HstuConfig | StuConfig) and self.width % self.backbone.heads:
            raise ValueError(
                f"width {self.width} does not divide into the {self.backbone.heads} heads of the transformer"
            )
        for what, names in (
            ("factors", [factor.name for factor in self.factors]),
            ("columns", [column.name for column in self.columns]),
            ("actions", self.actions),
        ):
            if len(set(names)) < len(names):
                raise ValueError(f"{what} {tuple(names)} are declared twice: name each once")
        if not (self.next_item or self.factors):
            raise ValueError("there is nothing to learn: set next_item, or name factors of the feedback")
        if self.form == "interleaved" and not self.next_item:
            raise ValueError("the interleaved form tells the next item: set next_item, or take the form `summed`")
        for factor in self.factors:
            self._check(factor)
        return self

    def _check(self, factor: FactorConfig) -> None:
        if factor.action:
            if factor.action not in self.actions:
                raise ValueError(f"factor {factor.name} is of the action {factor.action!r}, not one of {self.actions}")
            return
        column = self.column(factor.column)
        if column is None or column.role != "feedback":
            known = "known at the request" if column else "not read"
            raise ValueError(
                f"factor {factor.name} is of the column {factor.column!r}, which is {known}: feedback is what is known "
                "after the action (`known: outcome` in quality.columns)"
            )
        classes = len(column.values) or len(factor.edges) + 1
        if classes < 2 or (factor.absent or 0) >= classes:
            raise ValueError(f"factor {factor.name} has {classes} classes: it needs two, and `absent` is one of them")

    def column(self, name: str) -> ColumnConfig | None:
        """The column of this name; None where it is not read."""
        return next((column for column in self.columns if column.name == name), None)

    def of_role(self, role: Role) -> list[ColumnConfig]:
        """The columns of a role, in their order."""
        return [column for column in self.columns if column.role == role]

    def classes(self, factor: FactorConfig) -> int:
        """How many classes a factor has."""
        column = self.column(factor.column)
        return 2 if column is None else len(column.values) or len(factor.edges) + 1

    @property
    def read(self) -> list[str]:
        """Names of the columns of interactions that must be there besides item and times."""
        return [*([ACTIONS] if self.actions else []), *(column.name for column in self.columns)]

    @property
    def tokens(self) -> int:
        """Tokens of one interaction."""
        return 3 if self.form == "interleaved" else 1

    @property
    def longest_row(self) -> int:
        """Tokens of the longest row. It is N, too, which divides the attention weights of HSTU."""
        return self.tokens * self.max_length


def _refuse_descent(name: str, edges: Sequence[float]) -> None:
    if any(not low < high for low, high in pairwise(edges)):
        raise ValueError(f"the edges of {name} are {tuple(edges)}: each must lie above the one before")
