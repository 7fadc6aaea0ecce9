"""What a model learns by: the settings of the losses, and of the negatives they need."""

from math import ceil
from typing import Annotated, Literal

from pydantic import Field, model_validator

from models.auto import FROM_DATA
from models.strict import Strict


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
