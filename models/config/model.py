"""What a model is made of, chosen by name and frozen into its artifact."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from models.auto import FROM_DATA, FromData
from models.modalities import Modality
from models.strict import Strict


class HstuConfig(Strict):
    """The research HSTU encoder (HSTU paper eq. 1-3; Meta's research code)."""

    name: Literal["hstu_research"] = "hstu_research"
    layers: int = Field(default=2, ge=1, description="Number of HSTU layers.")
    heads: int = Field(default=2, ge=1, description="Attention heads per layer.")
    head_dim: int = Field(default=32, ge=1, description="Width of queries, keys and values of one head.")
    dropout: Annotated[float, FROM_DATA] = Field(
        default=0.2, ge=0, lt=1, description="Dropout before each layer's output projection."
    )
    eps: float = Field(default=1e-6, gt=0, description="Epsilon of the affine-free layer norms; part of the model.")
    attention: Literal["silu", "softmax"] = Field(
        default="silu", description="silu: pointwise, the paper's; softmax: the ablation that shows what it is worth."
    )


class SasrecConfig(Strict):
    """SASRec, as the baselines published with HSTU have it. A control: heads share the width, times are not read."""

    name: Literal["sasrec"] = "sasrec"
    layers: int = Field(default=2, ge=1, description="Number of layers.")
    heads: int = Field(default=1, ge=1, description="Attention heads per layer; they divide the width.")
    dropout: Annotated[float, FROM_DATA] = Field(
        default=0.2, ge=0, lt=1, description="Dropout of attention weights and in the feed-forward."
    )
    eps: float = Field(default=1e-8, gt=0, description="Epsilon of the affine-free layer norms; part of the model.")


class LigrConfig(Strict):
    """LiGR's gated transformer. A control: heads share the width, times are not read."""

    name: Literal["ligr"] = "ligr"
    layers: int = Field(default=2, ge=1, description="Number of layers.")
    heads: int = Field(default=1, ge=1, description="Attention heads per layer; they divide the width.")
    expansion: int = Field(default=4, ge=1, description="Width of the feed-forward in widths of the model.")
    dropout: Annotated[float, FROM_DATA] = Field(
        default=0.2, ge=0, lt=1, description="Dropout of attention weights and of each part."
    )
    eps: float = Field(default=1e-5, gt=0, description="Epsilon of the layer norms; part of the model.")


class PreNormConfig(Strict):
    """A standard pre-norm transformer: 12 width^2 weights a layer with a feed-forward of four widths."""

    name: Literal["transformer"] = "transformer"
    layers: int = Field(default=2, ge=1, description="Number of layers.")
    heads: int = Field(default=2, ge=1, description="Attention heads per layer; they divide the width.")
    expansion: int = Field(default=4, ge=1, description="Width of the feed-forward in widths of the model.")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="Dropout of attention weights and of each part.")
    eps: float = Field(default=1e-5, gt=0, description="Epsilon of the layer norms; part of the model.")


def _backbone_name(backbone: object) -> object:
    """The backbone's name; configurations from before there was a choice have none."""
    return backbone.get("name", "hstu_research") if isinstance(backbone, dict) else getattr(backbone, "name", None)


Backbone = Annotated[
    Annotated[HstuConfig, Tag("hstu_research")]
    | Annotated[SasrecConfig, Tag("sasrec")]
    | Annotated[LigrConfig, Tag("ligr")],
    Discriminator(
        _backbone_name,
        custom_error_type="backbone_name",
        custom_error_message="the backbone's name is not one of hstu_research, sasrec, ligr",
    ),
]


class StuConfig(Strict):
    """The encoder of Meta's ranking model (HSTU spec sections 2.6 and 2.7, dlrm_v3)."""

    name: Literal["hstu_dlrm_v3"] = "hstu_dlrm_v3"
    layers: int = Field(default=3, ge=1, description="Number of layers.")
    heads: int = Field(default=4, ge=1, description="Attention heads per layer.")
    head_dim: int = Field(default=32, ge=1, description="Width of queries, keys and values of one head.")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="Dropout before each layer's output projection.")
    output_norm: Literal["layer", "group"] = Field(
        default="layer", description="Norm of the attention: over all heads together, or over each head by itself."
    )
    eps: float = Field(default=1e-6, gt=0, description="Epsilon of the layers' norms; part of the model.")
    window: int = Field(default=0, ge=0, description="How many tokens back a token sees; 0 is without limit.")
    full_tail: int = Field(
        default=0, ge=0, description="With a window: this many last tokens of the history see without limit."
    )
    context_sees_all: bool = Field(
        default=False,
        description="Whether contextual tokens see the whole history (spec section 2.7); as published they are an "
        "ordinary beginning of the row.",
    )

    @model_validator(mode="after")
    def _full_tail_needs_a_window(self) -> "StuConfig":
        if self.full_tail and not self.window:
            raise ValueError("full_tail lifts the window for the last tokens: set window too")
        return self


class InputEncodingConfig(Strict):
    """What the ranking model adds to its input (HSTU spec section 2.5, dlrm_v3)."""

    positions: Literal["recency", "start"] = Field(
        default="recency",
        description="recency: counted back from the request, with the age of each token, as published. start: counted "
        "from the oldest token, without ages; only so can a cached history be continued in later requests.",
    )
    position_rows: int = Field(default=8192, ge=2, description="Rows of the position table.")
    time_function: Literal["sqrt", "log"] = Field(
        default="sqrt", description="How an age in minutes becomes a bucket; unused where positions are start."
    )
    time_buckets: int = Field(default=2048, ge=1, description="The last bucket of the ages.")


class ItemTowerConfig(Strict):
    """An item's vector: its ID embedding plus a projection of its content embedding."""

    content_dim: int = Field(default=0, ge=0, description="Width of the content embedding; 0 means IDs only.")
    modalities: dict[str, Modality] = Field(
        default={}, description="What it is made of, in order. Empty: not known, as in versions of earlier code."
    )
    id_masking: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of the IDs in a history that training replaces by the learned out-of-vocabulary vector, so "
        "that the content must carry an item that has no ID yet (Netflix, arXiv 2605.23312, item towers).",
    )

    gate: Literal["none", "age"] = Field(
        default="none",
        description="age: the ID and each modality count by a learned factor of how long the item has been there.",
    )

    hide_new: bool = Field(
        default=True,
        description="Whether a history's IDs are hidden, too, where the item was new when it was chosen. By the time "
        "that a history is read most of them have one.",
    )

    new_item_optimism: float = Field(
        default=0.0,
        ge=0,
        description="With popularity: how many standard deviations more than on average new items are expected to be "
        "chosen (`models.calibration.new_items`).",
    )

    @model_validator(mode="after")
    def _modalities_fill_the_content(self) -> "ItemTowerConfig":
        widths = sum(modality.width for modality in self.modalities.values())
        if self.modalities and widths != self.content_dim:
            raise ValueError(f"the modalities are {widths} wide together, but content_dim is {self.content_dim}")
        return self

    @model_validator(mode="after")
    def _masking_needs_content(self) -> "ItemTowerConfig":
        if self.id_masking and not self.content_dim:
            raise ValueError("id_masking hides IDs in favour of content: set it to 0 where content_dim is 0")
        if self.gate != "none" and not self.content_dim:
            raise ValueError("a gate weighs ID and content: set it to none where content_dim is 0")
        return self


class FamilyConfig(Strict):
    """What the configuration of every family has: everything that fixes the shape and the function of a model."""

    format: Literal[1] = Field(default=1, description="Version of this configuration's format.")
    max_length: Annotated[int, FROM_DATA] = Field(
        default=64, ge=1, description="Most recent interactions that the model sees."
    )

    if TYPE_CHECKING:
        # A field of the configuration, or what follows from one; at run time a property here would hide the field.
        @property
        def family(self) -> str:
            """The family's name in `models.families.registry`."""


class TrainedConfig(FamilyConfig):
    """What the configuration of every family has that is trained by gradient."""

    width: int = Field(default=64, ge=1, description="Width of item vectors and hidden states.")
    items: ItemTowerConfig = ItemTowerConfig()


class RecommenderConfig(TrainedConfig):
    """A recommender, whatever the layers of its encoder are."""

    attention_divisor: Annotated[int, FromData(also=0)] = Field(
        default=0,
        ge=0,
        description="N, which divides the attention weights: frozen with the model, never taken from a batch. "
        "0 chooses max_length + 11, the padded width of the published code.",
    )
    input_dropout: Annotated[float, FROM_DATA] = Field(
        default=0.2, ge=0, lt=1, description="Dropout on the encoder's input."
    )
    popularity: Annotated[bool, FROM_DATA] = Field(
        default=False,
        description="Whether the score of an item has a part for its popularity when it is asked for, at a learned "
        "weight, so that an untrained model recommends what is popular. It pays on short histories; scores are logits "
        "then, and the loss's temperature is not read.",
    )
    decoding_width: int = Field(
        default=0,
        ge=0,
        description="Width in which states and items are compared, such as an eighth of `width`: both are projected, "
        "and the table of retrieval vectors is that wide. 0: `width`, and no projection.",
    )

    @field_validator("decoding_width")
    @classmethod
    def _directions_need_two_dimensions(cls, width: int) -> int:
        if width == 1:
            raise ValueError("decoding_width 1 leaves directions no room, for a line has two: set 0, or 2 and more")
        return width

    @model_validator(mode="before")
    @classmethod
    def _choose_divisor(cls, values: dict[str, object]) -> dict[str, object]:
        if not values.get("attention_divisor"):
            length = values.get("max_length", cls.model_fields["max_length"].default)
            return {**values, "attention_divisor": int(str(length)) + 11}
        return values

    @model_validator(mode="after")
    def _divisor_covers_the_history(self) -> "RecommenderConfig":
        if self.attention_divisor < self.max_length:
            raise ValueError(
                f"attention_divisor {self.attention_divisor} is smaller than max_length {self.max_length}: "
                "relative positions would fall outside the bias table"
            )
        return self


class ModelConfig(RecommenderConfig):
    """The families `hstu`, `sasrec` and `ligr`: a recommender with one of three backbones."""

    backbone: Backbone = HstuConfig()

    @property
    def family(self) -> str:
        """The backbone's, which for the research HSTU is `hstu`."""
        return "hstu" if isinstance(self.backbone, HstuConfig) else self.backbone.name

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> "ModelConfig":
        if not isinstance(self.backbone, HstuConfig) and self.width % self.backbone.heads:
            raise ValueError(
                f"width {self.width} does not divide into the {self.backbone.heads} heads of {self.backbone.name}"
            )
        return self
