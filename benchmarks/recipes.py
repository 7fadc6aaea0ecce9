"""The models of the published MovieLens-1M figures, and how we train them: the one place to tune."""

from pydantic import Field

from models.config.losses import SampledSoftmaxConfig
from models.config.model import HstuConfig, ModelConfig
from models.config.training import TrainingConfig
from models.strict import Strict


class Recipe(Strict):
    """One model and its training."""

    model: ModelConfig
    training: TrainingConfig
    evaluate_every: int = Field(default=1, ge=1, description="Epochs between two readings of the quality.")


def _model(layers: int, heads: int) -> ModelConfig:
    backbone = HstuConfig(layers=layers, heads=heads, head_dim=50 // heads, dropout=0.2)
    return ModelConfig(width=50, max_length=200, attention_divisor=211, input_dropout=0.2, backbone=backbone)


def _training(epochs: int, positions_per_draw: int) -> TrainingConfig:
    """Found on the second-last items: as many negatives a position as published, and a learning rate that falls to zero
    in place of a constant one of 1e-3 for 101 epochs. Of base 16 positions share a draw, which is faster."""
    return TrainingConfig(
        epochs=epochs,
        batch_size=128,
        learning_rate=0.002,
        schedule="cosine",
        loss=SampledSoftmaxConfig(negatives=128, positions_per_draw=positions_per_draw),
    )


RECIPES = {
    "base": Recipe(
        model=_model(layers=2, heads=1), training=_training(epochs=60, positions_per_draw=16), evaluate_every=2
    ),
    "large": Recipe(
        model=_model(layers=8, heads=2), training=_training(epochs=32, positions_per_draw=1), evaluate_every=2
    ),
}

PUBLISHED = {
    "base": {
        "hr@10": 0.3097,
        "hr@50": 0.5754,
        "hr@200": 0.7716,
        "ndcg@10": 0.1720,
        "ndcg@50": 0.2307,
        "ndcg@200": 0.2606,
    },
    "large": {
        "hr@10": 0.3294,
        "hr@50": 0.5935,
        "hr@200": 0.7839,
        "ndcg@10": 0.1893,
        "ndcg@50": 0.2481,
        "ndcg@200": 0.2771,
    },
}
"""Meta's README of generative-recommenders, "verified 2024-04-15"; MRR is published nowhere."""


def small(recipe: Recipe) -> Recipe:
    """The same recipe at the size of a smoke test."""
    backbone = recipe.model.backbone.model_copy(update={"layers": 2, "head_dim": 8})
    width = 8 * recipe.model.backbone.heads
    model = recipe.model.model_copy(
        update={"width": width, "max_length": 12, "attention_divisor": 23, "backbone": backbone}
    )
    training = recipe.training.model_copy(update={"epochs": 3, "batch_size": 16})
    return recipe.model_copy(update={"model": model, "training": training, "evaluate_every": 1})
