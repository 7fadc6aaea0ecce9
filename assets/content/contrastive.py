"""The contrastive loss of the image tower: InfoNCE both ways, as CLIP's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def against_guessing(images: Tensor, texts: Tensor, family: Tensor, scale: Tensor) -> Tensor:
    """Loss in nats of telling which text is an image's and which image a text's, less that of guessing.

    0 is chance, lower is better. Pairs that share a picture or a text are no negatives of each other: there is nothing
    by which the tower could tell them apart, so it would be taught to remember their noise.

    Args:
        images: (n, d) float32 of length 1.
        texts: (n, d) float32 of length 1, row by row those of `images`.
        family: (n,) int64, equal for pairs that share a picture or a text.
        scale: Inverse temperature.
    """
    import torch

    alike = family[:, None] == family
    alike.fill_diagonal_(False)
    scores = (scale * images @ texts.T).masked_fill(alike, -torch.inf)
    own = torch.arange(len(images), device=images.device)
    ways = [torch.nn.functional.cross_entropy(some, own) for some in (scores, scores.T)]
    guessing = (len(images) - alike.sum(dim=1)).log().mean()
    return torch.stack(ways).mean() - guessing
