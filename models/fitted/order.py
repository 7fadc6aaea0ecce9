"""Items in the order of their popularity, on a scale that stays below every score worth the name."""

import numpy as np
import torch
from torch import Tensor

from models.vocabulary import Vocabulary


def popularity_order(vocabulary: Vocabulary) -> Tensor:
    """(n + 1,) float32: 0 for the most popular item, less for each less popular one, -1 for those never seen."""
    popularity = vocabulary.popularity[vocabulary.trained]
    levels, place = np.unique(popularity, return_inverse=True)
    order = np.full(len(vocabulary) + 1, -1, np.float32)
    order[vocabulary.trained] = (place - len(levels) + 1) / (len(levels) + 1)
    return torch.from_numpy(order)
