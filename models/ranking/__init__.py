"""Ranking: what a user would do with each of many candidates (HSTU spec sections 2.5-2.8 and 6; Meta's dlrm_v3).

>>> import numpy as np
>>> import torch
>>> from models.interactions import Interactions
>>> from models.ranking.batch import ranking_batch
>>> from models.ranking.config import RankerConfig
>>> from models.ranking.ranker import Ranker
>>> ranker = Ranker(RankerConfig(actions=("click", "like"), max_length=4), items=9).eval()
>>> history = Interactions.of([([1, 2, 3], [1000, 2000, 3000])])
>>> history = history.with_columns({"actions": np.array([0b01, 0b11, 0b01])})

A batch holds histories and candidates, for training (`models.ranking.objective.ActionLoss`) and for small requests:

>>> logits = ranker(ranking_batch(history, [[7, 8]], [4000], max_length=4))
>>> logits.shape  # a row per candidate, a logit per action
torch.Size([2, 2])

For large requests the history is encoded once, and the candidates read its cache; the scores are the same:

>>> cache = ranker.prefill(ranking_batch(history, [[]], [4000], max_length=4), version="v1")
>>> torch.allclose(ranker.score(cache, torch.tensor([7, 8]), request_time=4000, version="v1"), logits, atol=1e-5)
True
"""
