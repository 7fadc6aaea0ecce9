"""What a model is made of, chosen by name and frozen into its artifact."""

from math import ceil
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


class FutureTargetsConfig(Strict):
    """What a state is to tell: the next item alone, or a set of those that follow, of which no order is learned.

    Several make states last longer, where they are cached or made once a night; where none is old, they may cost
    (Netflix, arXiv 2605.23312, multi-token prediction).
    """

    count: int = Field(default=1, ge=1, description="Items that follow, at most.")
    half_life_hours: float | None = Field(
        default=None,
        gt=0,
        description="Time from the newest interaction that a state has read after which a target counts half; null: "
        "all count alike.",
    )
    window_hours: float | None = Field(
        default=None, gt=0, description="Time after which what follows is no target; null: whenever it comes."
    )

    @property
    def next_alone(self) -> bool:
        """Whether each position has its next item as the one target, whenever it comes."""
        return self.count == 1 and self.half_life_hours is None and self.window_hours is None


class SampledSoftmaxConfig(Strict):
    """Next-item loss over sampled negatives (HSTU spec section 3)."""

    kind: Literal["softmax", "gbce"] = Field(
        default="softmax",
        description="softmax: the positive among its negatives; gbce: each item by itself, by the generalised binary "
        "cross-entropy of gSASRec (arXiv 2308.07192).",
    )
    calibration: float = Field(
        default=0.75,
        ge=0,
        le=1,
        description="t of gbce, which alone reads it. 0: plain binary cross-entropy, as SASRec was published; 1: the "
        "sigmoid of a score estimates how likely the item comes next.",
    )
    negatives: Annotated[int, FROM_DATA] = Field(
        default=128, ge=1, description="Negatives per position, drawn with replacement."
    )
    negatives_share: Annotated[float, FROM_DATA] = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Where that is more than `negatives`, this share of the items of training is drawn in their place.",
    )
    source: Literal["uniform", "in_batch", "all"] = Field(
        default="uniform",
        description="What they are drawn from, each item as likely as any other: uniform, all items of training; "
        "in_batch, those that occur in the worker's batch. all: nothing is drawn, each is there once (full softmax).",
    )
    correction: Literal["none", "logq"] = Field(
        default="none",
        description="What the negatives' logits are lowered by: none; logq, the logarithm of how often the source is "
        "expected to draw each, so that the loss estimates the softmax over all that can be drawn. For uniform that is "
        "one number, the share that is drawn.",
    )
    shared: Annotated[bool, FROM_DATA] = Field(
        default=False,
        description="Whether all positions of a batch share one draw: several times as fast, so that many more "
        "negatives can be had in the same time.",
    )
    positions_per_draw: int = Field(
        default=1,
        ge=1,
        description="Without shared: successive positions that have a draw in common. 1, as published: each its own; "
        "16 costs about an eighth and still draws afresh hundreds of times a step.",
    )
    cold_negatives: Annotated[float, FROM_DATA] = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of negatives without ID: as many as items of the catalogue are too new to have one.",
    )
    label_masking: Annotated[float, FROM_DATA] = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of the labels, beside those that were new, whose ID is hidden behind their content.",
    )
    temperature: Annotated[float, FROM_DATA] = Field(default=0.05, gt=0, description="Divisor of the cosine logits.")
    targets: FutureTargetsConfig = FutureTargetsConfig()

    def over(self, items: int) -> "SampledSoftmaxConfig":
        """The same with as many negatives as these come to where `items` are trained."""
        some = items if self.source == "all" else max(self.negatives, ceil(self.negatives_share * items))
        return self.model_copy(update={"negatives": some})

    @model_validator(mode="after")
    def _gbce_is_not_corrected(self) -> "SampledSoftmaxConfig":
        if self.kind == "gbce" and (self.correction != "none" or self.source != "uniform"):
            raise ValueError("gbce counts on uniform negatives and is calibrated: set source uniform, correction none")
        return self

    @model_validator(mode="after")
    def _one_way_of_sharing(self) -> "SampledSoftmaxConfig":
        if self.shared and self.positions_per_draw > 1:
            raise ValueError("shared gives all positions one draw: leave positions_per_draw at 1, or shared false")
        return self


class ActionLossConfig(Strict):
    """Binary cross-entropy per action (HSTU spec section 8)."""

    weight: float = Field(default=0.2, gt=0, description="Weight of an action's loss.")
    weights: dict[str, float] = Field(default={}, description="Weights of single actions, where they differ.")


class InteractionLossConfig(Strict):
    """What `argus` learns: the next item and what came of it, both of every interaction (ARGUS spec section 3)."""

    in_batch: int = Field(
        default=512, ge=0, description="Negatives drawn from the items of the worker's batch, as often as they occur."
    )
    uniform: int = Field(default=512, ge=0, description="Negatives drawn from all items of training alike.")
    correction: Literal["none", "classic", "refined"] = Field(
        default="classic",
        description="logQ: none; classic, a negative's logit is lowered by the log of how often it is expected among "
        "the draws; refined, the positive leaves the denominator and weighs by how unlikely it still is "
        "(arXiv 2507.09331).",
    )
    weights: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default={}, description="Weights of single losses, by `next_item` or a factor's name; the others count 1."
    )
    sketch_rows: int = Field(default=4, ge=1, description="Rows of the count-min sketch that estimates frequencies.")
    sketch_columns: int = Field(default=1 << 16, ge=2, description="Counters in each row.")
    sketch_half_life: float = Field(default=1000.0, gt=0, description="Steps after which an occurrence counts half.")
    where: str | None = Field(
        default=None,
        description="A column: what is learned from are the interactions alone in which it is not empty, told from all "
        "before, as in a fine-tuning on what was shown on some surface. null: all.",
    )
    delay_hours: float = Field(
        default=0.0,
        ge=0,
        description="How old the newest state is at least that a step may read. 0: all that had ended before.",
    )

    @model_validator(mode="after")
    def _some_negatives(self) -> "InteractionLossConfig":
        if not self.in_batch + self.uniform:
            raise ValueError("in_batch and uniform are both 0: the next item is told from some negatives")
        return self


class ImpressionLossConfig(Strict):
    """What `argus_towers` learns: which impressions of a user turn out better (ARGUS spec section 4)."""

    kind: Literal["pairwise", "pointwise", "listwise"] = Field(
        default="pairwise",
        description="pairwise: of two that follow each other, the better one; pointwise: how far up the scale each "
        "comes; listwise: of some that follow each other, how the scale divides among them.",
    )
    list_length: int = Field(default=10, ge=2, description="Impressions of a list at most; listwise alone reads it.")


class StochasticLengthConfig(Strict):
    """Shortened long histories in training (HSTU paper section 3.2)."""

    alpha: float = Field(
        default=2.0,
        gt=1,
        le=2,
        description="Histories longer than max_length^(alpha/2) are cut to that many interactions, the more often the "
        "longer they are. 2 keeps all.",
    )
    selection: Literal["greedy", "random", "recency"] = Field(
        default="recency",
        description="Which remain: greedy, the most recent; random, any; recency, any, recent ones more likely.",
    )


class WindowsConfig(Strict):
    """Which part of a history longer than max_length an epoch trains on (Netflix spec section 7, arXiv 2409.14517)."""

    sampling: Literal["latest", "sliding"] = Field(
        default="latest",
        description="latest, the most recent interactions; sliding, in some epochs a part drawn uniformly instead.",
    )
    latest_share: float = Field(
        default=0.5, ge=0, le=1, description="With sliding: share of the epochs that keep to the most recent."
    )


class TrainingConfig(Strict):
    """Settings of a recommender's training."""

    epochs: Annotated[int, FROM_DATA] = Field(default=10, ge=1, description="Passes over all users, at most.")
    patience: Annotated[int, FROM_DATA] = Field(
        default=0,
        ge=0,
        description="Where not 0, training ends once so many epochs in a row were no better on the learning "
        "curve's users than one before, whose weights are kept. 0: all epochs, and the weights of the last.",
    )
    batch_size: Annotated[int, FROM_DATA] = Field(default=128, ge=1, description="Users per step and worker.")
    tokens_per_step: int = Field(
        default=0,
        ge=0,
        description="Where not 0, it takes the place of batch_size: as many users per step and worker as have at most "
        "this many interactions, so that steps cost alike however long the histories are.",
    )
    stochastic_length: StochasticLengthConfig = StochasticLengthConfig()
    windows: WindowsConfig = WindowsConfig()
    optimizer: Literal["adamw", "adam"] = Field(
        default="adamw", description="adamw: weight decay apart from the gradient; adam: as a part of it."
    )
    betas: tuple[float, float] = Field(default=(0.9, 0.98), description="The optimiser's decay of both its moments.")
    learning_rate: Annotated[float, FROM_DATA] = Field(
        default=1e-3, gt=0, description="The optimiser's learning rate, at its highest."
    )
    learning_rates: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default={},
        description="Factors on it by group: the beginning of a parameter's name in the model, such as items.ids or "
        "encoder; the longest that fits counts.",
    )
    schedule: Annotated[Literal["constant", "cosine"], FROM_DATA] = Field(
        default="constant", description="constant, as published; cosine: down to zero at the last step."
    )
    warmup: Annotated[float, FROM_DATA] = Field(
        default=0.0, ge=0, lt=1, description="Share of all steps over which the learning rate rises from zero."
    )
    clip_norm: float = Field(
        default=0.0, ge=0, description="Greatest norm of the whole gradient; a longer one is scaled down. 0: no limit."
    )
    weight_decay: Annotated[float, FROM_DATA] = Field(default=0.0, ge=0, description="The optimiser's weight decay.")
    spike: float = Field(
        default=0.5,
        ge=0,
        description="Where the mean loss of 32 steps rises by this share of what it had fallen, or is no longer "
        "finite, training goes back to the last epoch's end and on at half the learning rate, in another order. "
        "0: only where it is not finite.",
    )
    precision: Literal["fp32", "bf16"] = Field(default="fp32", description="Matrix products in fp32 or bf16 autocast.")
    gradient_compression: Literal["none", "fp16", "bf16", "powersgd"] = Field(
        default="none",
        description="What several workers send each other: whole gradients; rounded to 16 bits, half as much; or "
        "powersgd, factors of low rank (Vogels et al., arXiv 1905.13727), which pays where the network is slow.",
    )
    powersgd_rank: int = Field(default=4, ge=1, description="Rank of the factors; powersgd alone reads it.")
    seed: int = Field(default=0, ge=0, description="Seed of initialisation, order, dropout and negatives.")
    loss: SampledSoftmaxConfig = SampledSoftmaxConfig()
    actions: ActionLossConfig = ActionLossConfig()
    interactions: InteractionLossConfig = InteractionLossConfig()
    impressions: ImpressionLossConfig = ImpressionLossConfig()
