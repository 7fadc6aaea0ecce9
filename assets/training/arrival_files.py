"""When items came, as a training set keeps it."""

from pathlib import Path

import numpy as np
import polars as pl

from assets.training.interaction_files import mapped_array
from models.arrivals import Arrivals
from models.columns import DAY, ITEM_ID
from models.item_counts import NEVER
from models.vocabulary import Vocabulary


def first_listed(vocabulary: Vocabulary, catalogue: pl.DataFrame) -> np.ndarray:
    """(n + 1,) int64 epoch milliseconds from which the catalogue lists each item; `NEVER` where it does not."""
    first = catalogue.group_by(ITEM_ID).agg(pl.col(DAY).min())
    listed = np.full(len(vocabulary) + 1, NEVER)
    listed[vocabulary.indices(first[ITEM_ID])] = first[DAY].cast(pl.Datetime("ms")).to_physical().to_numpy()
    listed[0] = NEVER
    return listed


def write_arrivals(folder: Path, arrivals: Arrivals) -> None:
    """Writes them beside the rest of the training set in `folder`."""
    for name in ("there_from", "first_chosen", "choices", "of_new"):
        np.save(folder / f"arrivals.{name}.npy", getattr(arrivals, name))
    np.save(folder / "arrivals.end_and_reach_ms.npy", np.array([arrivals.end_ms, arrivals.reach_ms]))


def read_arrivals(folder: Path) -> Arrivals | None:
    """Maps them; None in sets of earlier code, and in a ranker's."""
    if not (folder / "arrivals.end_and_reach_ms.npy").exists():
        return None
    end_ms, reach_ms = np.load(folder / "arrivals.end_and_reach_ms.npy").tolist()
    return Arrivals(
        there_from=mapped_array(folder, "arrivals.there_from"),
        first_chosen=mapped_array(folder, "arrivals.first_chosen"),
        end_ms=end_ms,
        reach_ms=reach_ms,
        choices=mapped_array(folder, "arrivals.choices"),
        of_new=mapped_array(folder, "arrivals.of_new"),
    )
