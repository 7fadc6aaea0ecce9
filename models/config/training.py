"""How a model is trained: epochs, steps, the optimiser, and what is shortened."""

from typing import Annotated, Literal

from pydantic import Field

from models.auto import FROM_DATA
from models.config.losses import ActionLossConfig, ImpressionLossConfig, InteractionLossConfig, SampledSoftmaxConfig
from models.strict import Strict


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
