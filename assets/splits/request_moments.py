"""What whoever reads all that happened may know of users who are asked what they choose next."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from models.columns import STARTED
from storage.user_interactions import UserInteractions


@dataclass(frozen=True)
class RequestMoments:
    """Users, and when each chose what is asked for.

    What was chosen was shown before, beside other items: that these were left alone tells of the choice. So nothing
    may be known that ended when what was chosen began, or later.

    Attributes:
        users: (B,) ids, each once.
        moments: (B,) int64 epoch milliseconds.
    """

    users: pl.Series
    moments: np.ndarray

    @classmethod
    def none(cls) -> "RequestMoments":
        return cls(pl.Series(dtype=pl.Null), np.zeros(0, np.int64))

    def ends(self, part: UserInteractions, cutoff_ms: int) -> np.ndarray:
        """(U,) int64 before which moment what each user of `part` did may be known; the cutoff where nothing is asked.

        Args:
            part: With `started`, of all that the users did.
        """
        ends = np.full(len(part), cutoff_ms)
        if not len(self.users):
            return ends
        asked = pl.DataFrame({"user": self.users, "moment": self.moments})
        moments = part.users.alias("user").to_frame().join(asked, on="user", how="left", maintain_order="left")
        moment = moments["moment"].fill_null(-1).to_numpy()
        owner = np.repeat(np.arange(len(part)), part.interactions.lengths)
        chosen = part.interactions.timestamps == moment[owner]
        np.minimum.at(ends, owner[chosen], part.interactions.column(STARTED)[chosen])
        return ends

    def before(self, part: UserInteractions, cutoff_ms: int) -> np.ndarray:
        """(L,) bool which interactions may be known (`ends`)."""
        known: np.ndarray = part.interactions.timestamps < np.repeat(
            self.ends(part, cutoff_ms), part.interactions.lengths
        )
        return known
