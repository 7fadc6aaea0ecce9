"""A model of what each action earns, for the doubly robust estimate: logistic regression, cross-fitted."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

FOLDS = 5

FloatArray = NDArray[np.float64]


def cross_fitted_rewards(
    context: sparse.csr_array,
    actions: sparse.csr_array,
    chosen: NDArray[np.int64],
    rewarded: NDArray[np.bool_],
    users: NDArray[np.int64],
    folds: int = FOLDS,
) -> FloatArray:
    """(N, A) the probability that action a is rewarded on row n, by a model that saw no row of the same user.

    What the context and the action contribute to the log-odds is added up (L2, C = 1). Where the rows that a model
    would learn from were all rewarded, or none, it says their share.

    Args:
        context: (N, c) of each row, such as one-hot positions.
        actions: (A, d) of each action.
        chosen: (N,) 0..A - 1.
        rewarded: (N,) whether it was.
        users: (N,) any numbers, equal for one user's rows.
        folds: So many models at most; no more than there are users.

    Raises:
        ValueError: there are fewer than two users.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold

    if (count := len(np.unique(users))) < 2:
        raise ValueError(f"a cross-fitted model needs rows of two users at least, there are {count}")
    predicted = np.empty((len(chosen), actions.shape[0]))
    for learned, kept in GroupKFold(min(folds, count)).split(chosen, groups=users):
        given = rewarded[learned]
        if given.all() or not given.any():
            predicted[kept] = given.mean()
            continue
        features = sparse.hstack([context[learned], actions[chosen[learned]]], format="csr")
        model = LogisticRegression(max_iter=1000).fit(features, given)
        of_context, of_actions = np.split(model.coef_[0], [context.shape[1]])
        logits = (context[kept] @ of_context)[:, None] + actions @ of_actions + model.intercept_[0]
        predicted[kept] = 1 / (1 + np.exp(-logits))
    return predicted
