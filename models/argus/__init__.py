"""ARGUS: one pretraining on everything that happened, factorised into what comes next and what comes of it.

>>> import numpy as np
>>> from models.argus.config import ArgusConfig, FactorConfig
>>> from models.argus.model import Argus
>>> from models.argus.scoring import score_impressions
>>> from models.interactions import Interactions
>>> config = ArgusConfig(actions=("impression", "like"), factors=(FactorConfig(name="like", action="like"),))
>>> model = Argus(config, items=9).eval()
>>> history = Interactions.of([([1, 2, 3], [1000, 2000, 3000])])
>>> history = history.with_columns({"actions": np.array([0b01, 0b11, 0b01]), "started": history.timestamps})

How likely the user likes either of two items that are shown:

>>> said = score_impressions(model, history, Interactions.of([([7, 8], [4000, 4000])]))
>>> said["like"].shape  # an impression a row, and the classes: not liked, liked
(2, 2)
"""
