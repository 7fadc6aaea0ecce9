"""Generative recommenders on PyTorch: no Dagster, no Ray, so that a notebook or a script is enough.

Interactions in, recommendations out, in ten lines (docs/notebook.md goes on from here):

>>> import polars as pl
>>> from models.config.training import TrainingConfig
>>> from models.frames import fit_recommender, recommend
>>> walks = [(user, (user + 3 * step) % 30, step) for user in range(60) for step in range(8)]
>>> events = pl.DataFrame(walks, ["user_id", "item_id", "timestamp"], orient="row")
>>> events = events.with_columns(pl.from_epoch("timestamp"))
>>> training = TrainingConfig(epochs=20, batch_size=16, learning_rate=5e-3)
>>> recommender = fit_recommender(events, training)
>>> recommend(recommender, events, users=[0, 1, 2], k=1)["item_id"].to_list()
[24, 25, 26]

User 0 went 0, 3, 6, ..., 21; what comes next is 24. Importing this package alone loads nothing, PyTorch included.
"""
