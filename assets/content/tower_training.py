"""Trains an image tower contrastively against frozen text vectors (InfoNCE both ways, as CLIP's image half)."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from assets.content.contrastive import against_guessing
from assets.content.encoders import Progress
from assets.content.hardware import autocast, device
from assets.content.recall import LEAST_IMAGES, Recall, image_to_text_recall
from assets.content.settings import ImageSettings
from assets.content.split import Part
from assets.content.tower import ImageTower
from storage.vectors import Matrix

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

WARM_UP, WARM_UP_STEPS = 0.1, 20
"""Share and least number of steps in which the learning rate rises: AdamW's moments are noise before."""

COLDEST = math.log(100)
"""Largest log of the inverse temperature, as in CLIP."""


@dataclass(frozen=True)
class Pairs:
    """(image, text) pairs of one part of the catalogue, row by row.

    Attributes:
        pixels: (n, 3, h, w).
        texts: (n, d), of length 1.
        family: (n,) labels, equal for pairs that share a picture or a text.
    """

    pixels: NDArray[np.uint8]
    texts: Matrix
    family: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.pixels)


@dataclass(frozen=True)
class Epoch:
    """One pass over the training pairs. Losses are in nats against guessing: 0 is chance, lower is better."""

    train_loss: float
    validation_loss: float
    seconds: float


@dataclass(frozen=True)
class AdaptReport:
    """What the training came to.

    Attributes:
        epochs: The losses of each epoch.
        kept: Number of the epoch whose weights were kept, from 1.
        recall: How that epoch does on held-out pairs; None where they are too few to tell it from chance.
        pairs: Pairs that were trained on, validated and held out.
        held_out: Those that were held out.
    """

    epochs: tuple[Epoch, ...]
    kept: int
    recall: Recall | None
    pairs: int
    held_out: int


def adapt(tower: ImageTower, parts: dict[Part, Pairs], settings: ImageSettings, progress: Progress) -> AdaptReport:
    """Trains `tower` in place, stops when the validation loss no longer falls, keeps the best epoch's weights.

    Raises:
        ValueError: too few families to train on or to stop by (`trainable`).
    """
    import torch

    if not trainable(parts):
        raise ValueError("image tower: pairs of at least 2 families are needed to train on and of 2 to stop by")
    fitting = _Fitting(tower, parts["train"], settings)
    epochs: list[Epoch] = []
    best, best_weights = math.inf, tower.network.state_dict()
    with torch.random.fork_rng():
        torch.manual_seed(settings.adapt.seed)
        for number in range(1, settings.adapt.epochs + 1):
            started = time.perf_counter()
            train_loss = fitting.one_epoch()
            epoch = Epoch(train_loss, fitting.loss_of(parts["validation"]), time.perf_counter() - started)
            epochs.append(epoch)
            progress(_line(number, epoch, settings.adapt.epochs, len(parts["train"])))
            if epoch.validation_loss < best:
                best = epoch.validation_loss
                best_weights = {name: value.clone() for name, value in tower.network.state_dict().items()}
            elif number - _kept(epochs) >= settings.adapt.patience:
                break
    tower.network.load_state_dict(best_weights)
    held = parts["holdout"]
    recall = None
    if len(held) >= LEAST_IMAGES:
        recall = image_to_text_recall(tower.embed(held.pixels, settings), held.texts)
    return AdaptReport(tuple(epochs), _kept(epochs), recall, sum(map(len, parts.values())), len(held))


def trainable(parts: dict[Part, Pairs]) -> bool:
    """Whether there is a pair and another one to tell it from, to train on and to stop by."""
    return min(len(np.unique(parts[part].family)) for part in ("train", "validation")) >= 2


class _Fitting:
    """Optimiser, schedule and temperature of one training."""

    def __init__(self, tower: ImageTower, train: Pairs, settings: ImageSettings) -> None:
        import torch

        self.tower, self.train, self.settings = tower, train, settings
        self.batch = min(settings.adapt.batch, len(train))
        self.inverse_temperature = torch.nn.Parameter(
            torch.tensor(-math.log(settings.adapt.temperature), device=device())
        )
        weights = list(tower.network.parameters())
        self.optimizer = torch.optim.AdamW(
            [
                {"params": [w for w in weights if w.ndim > 1], "weight_decay": settings.adapt.weight_decay},
                {"params": [w for w in weights if w.ndim < 2] + [self.inverse_temperature], "weight_decay": 0.0},
            ],
            lr=settings.adapt.learning_rate,
            betas=(0.9, 0.98),
        )
        steps = settings.adapt.epochs * (len(train) // self.batch)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda step: _rate(step, steps))

    def one_epoch(self) -> float:
        """Mean loss of one shuffled pass; the last, smaller batch is left to another epoch's shuffle."""
        import torch

        self.tower.network.train()
        losses = []
        for rows in self._batches():
            loss = self._loss(_augmented(torch.from_numpy(self.train.pixels[rows])), self.train, rows)
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.tower.network.parameters(), 1.0)
            self.optimizer.step()
            self.schedule.step()
            with torch.no_grad():
                self.inverse_temperature.clamp_(0, COLDEST)
            losses.append(loss.item())
        return float(np.mean(losses))

    def loss_of(self, pairs: Pairs) -> float:
        """The same loss without augmentation or gradients; a rest smaller than a batch counts only if it is all."""
        import torch

        self.tower.network.eval()
        starts = range(0, max(1, len(pairs) - self.batch + 1), self.batch)
        with torch.no_grad():
            batches = [np.arange(start, min(start + self.batch, len(pairs))) for start in starts]
            losses = [self._loss(torch.from_numpy(pairs.pixels[rows]), pairs, rows).item() for rows in batches]
        return float(np.mean(losses))

    def _loss(self, pixels: torch.Tensor, pairs: Pairs, rows: NDArray[np.int64]) -> torch.Tensor:
        import torch

        with autocast(self.settings.precision):
            images = self.tower.network(self.tower.normalise(pixels.to(device())))
        images = torch.nn.functional.normalize(images.float(), dim=-1)
        texts, family = (torch.from_numpy(of[rows]).to(device()) for of in (pairs.texts, pairs.family))
        return against_guessing(images, texts, family, self.inverse_temperature.exp())

    def _batches(self) -> Iterator[NDArray[np.int64]]:
        import torch

        order = torch.randperm(len(self.train)).numpy()
        return (order[i : i + self.batch] for i in range(0, len(order) - self.batch + 1, self.batch))


def _augmented(pixels: torch.Tensor) -> torch.Tensor:
    """Mirrors half of the images and moves the batch by up to a sixteenth of its size: a catalogue is a small set."""
    import torch

    mirrored = torch.rand(len(pixels)) < 0.5
    pixels[mirrored] = pixels[mirrored].flip(-1)
    down, right = (int(torch.randint(-(size // 16), size // 16 + 1, ())) for size in pixels.shape[-2:])
    return pixels.roll((down, right), (-2, -1))


def _rate(step: int, steps: int) -> float:
    warm = max(WARM_UP_STEPS, round(steps * WARM_UP))
    return min(1.0, (step + 1) / warm) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / max(1, steps))))


def _kept(epochs: list[Epoch]) -> int:
    """The number of the epoch with the lowest validation loss, from 1."""
    return 1 + int(np.argmin([epoch.validation_loss for epoch in epochs]))


def _line(number: int, epoch: Epoch, epochs: int, images: int) -> str:
    return (
        f"image tower: epoch {number} of at most {epochs}, {images / epoch.seconds:.0f} images/s, "
        f"loss against guessing {epoch.train_loss:+.3f}, validation {epoch.validation_loss:+.3f}, "
        f"at most {epoch.seconds * (epochs - number):.0f} s left"
    )
