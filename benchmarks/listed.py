"""Lists of another program as a scorer of the evaluation, and SASRec's lists by RecTools."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assets.evaluation.questions import Questions
from models.evaluation.cases import EvaluationCases
from models.evaluation.report import Protocol
from models.interactions import Interactions

SASREC_SIDE = Path(__file__).with_name("contestant_sasrec.py")
LIST_LENGTH = 50


@dataclass(frozen=True)
class Listed:
    """Users' lists, of which nothing is known beyond their last place.

    Attributes:
        lists: User id to item indices, best first.
        items: n, the greatest index of an item.
    """

    name: str
    lists: dict[object, NDArray[np.int64]]
    items: int

    def score(self, cases: EvaluationCases) -> NDArray[np.float32]:
        """(B, n + 1), minus the place in the list; minus infinity for what is not in it."""
        scores = np.full((len(cases), self.items + 1), -np.inf, np.float32)
        for row, user in enumerate(cases.user_ids.to_list()):
            listed = self.lists.get(user, np.zeros(0, np.int64))
            scores[row, listed] = -np.arange(1, len(listed) + 1)
        return scores


def sasrec_lists(
    questions: Questions, python: Path, seed: int, folder: Path
) -> dict[Protocol, dict[object, NDArray[np.int64]]]:
    """What SASRec as RecTools has it, fitted on the training histories, lists for the cases of each protocol.

    Args:
        python: Of an environment with RecTools.
        folder: For what passes between the two.

    Raises:
        RuntimeError: it failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _save(folder / "training.npz", questions.training)
    for protocol, cases in questions.cases.items():
        _save(folder / f"{protocol}.npz", cases.histories)
    job = folder / "job.json"
    said = {"folder": str(folder), "seed": seed, "k": LIST_LENGTH, "threads": os.cpu_count()}
    said["repeats"] = any(cases.repeats for cases in questions.cases.values())
    job.write_text(json.dumps({**said, "protocols": list(questions.cases)}))
    done = subprocess.run([python, SASREC_SIDE, job], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"RecTools failed: {done.stderr.strip()[-800:]}")
    return {protocol: _lists(folder / f"{protocol}.lists.npz", cases) for protocol, cases in questions.cases.items()}


def _save(path: Path, interactions: Interactions) -> None:
    known = interactions.known()
    np.savez(path, offsets=known.offsets, items=known.item_index, timestamps=known.timestamps)


def _lists(path: Path, cases: EvaluationCases) -> dict[object, NDArray[np.int64]]:
    with np.load(path) as told:
        order = np.lexsort((told["ranks"], told["users"]))
        users, items = told["users"][order], told["items"][order].astype(np.int64)
    listed, starts = np.unique(users, return_index=True)
    ids = cases.user_ids.to_list()
    return {ids[user]: some for user, some in zip(listed.tolist(), np.split(items, starts[1:]), strict=True)}
