"""The item tower: what an item is, as a vector."""

import torch
from torch import Tensor, nn

from models.config import ItemTowerConfig


class ItemTower(nn.Module):
    """ID embedding plus projected content embedding.

    Rows 1..trained have an ID embedding of their own. A row above that is an item that was not in training: it shares
    one learned out-of-vocabulary vector, so its content alone tells it apart. Row 0 is padding and maps to zero.

    Args:
        config: The tower's configuration.
        width: Width of the vectors.
        trained: Number of items with an ID embedding.
        content: (n + 1, content_dim) float32, row 0 unused; n >= trained. Required where content_dim > 0.

    Raises:
        ValueError: the content is of another width or not finite; it names the row.
    """

    content: Tensor

    def __init__(self, config: ItemTowerConfig, width: int, trained: int, content: Tensor | None) -> None:
        super().__init__()
        given = 0 if content is None else content.shape[1]
        if given != config.content_dim:
            raise ValueError(
                f"the content embeddings are {given} wide, but the model is configured for {config.content_dim}"
            )
        if content is not None:
            _refuse_unfit(content)
        self.trained = trained
        self.id_masking = config.id_masking
        self.ids = nn.Embedding(trained + 2, width)
        nn.init.trunc_normal_(self.ids.weight, std=0.02, a=-0.04, b=0.04)
        self.projection = nn.Linear(config.content_dim, width, bias=False) if config.content_dim else None
        if self.projection is not None:
            nn.init.normal_(self.projection.weight, std=0.02)
        self._known: Tensor | None = None
        self.register_buffer("content", torch.empty(0) if content is None else content, persistent=False)

    @property
    def out_of_vocabulary(self) -> int:
        return self.trained + 1

    def forward(self, rows: Tensor, masked: Tensor | None = None) -> Tensor:
        """(…,) rows -> (…, width) vectors; where `masked` is true the ID is hidden behind the content."""
        if self._known is not None:
            return self._known[rows]
        ids = rows.clamp(max=self.out_of_vocabulary)
        if masked is not None:
            ids = torch.where(masked & (rows > 0), self.out_of_vocabulary, ids)
        vectors = self.ids(ids)
        if self.projection is not None:
            vectors = vectors + self.projection(self.content[rows])
        return vectors * (rows > 0).unsqueeze(-1)

    def know(self, vectors: Tensor) -> None:
        """Answers with `vectors` (n + 1, width) from now on, which a tower without the content cannot compute anew."""
        self._known = vectors

    @torch.no_grad()
    def table(self, count: int, chunk: int = 65_536) -> Tensor:
        """(count + 1, width) vectors of rows 0..count; that of row 0 is zero."""
        rows = torch.arange(count + 1, device=self.ids.weight.device)
        return torch.cat([self(part) for part in rows.split(chunk)])


def _refuse_unfit(content: Tensor) -> None:
    # A sum is finite where all its terms are, and takes no memory of the content's size.
    wrong = ~content.sum(1).isfinite()
    if wrong.any():
        raise ValueError(f"the content embedding of item row {int(wrong.int().argmax())} is not finite: embed it again")
