"""What ARGUS is trained and evaluated on: every interaction, whatever came of it, from what had ended before.

An interaction's state is made of those that had ended strictly before it began, so that what is shown together tells
nothing of each other, and an answer that came late is not known early. Where one follows the other that is all before
it.
"""

from collections.abc import Mapping

import numpy as np
import torch

from models.argus.batch import ArgusBatch
from models.argus.config import ArgusConfig
from models.argus.features import context_codes, feedback_codes, item_codes, labels
from models.columns import STARTED
from models.examples import Epoch
from models.heads.calendar import HOUR_MS
from models.interactions import Interactions
from models.past import count_before
from models.popularity import PopularityOverTime


class ArgusExamples:
    """Examples of interactions: chunks to train on, or some that are asked about.

    In training each history is cut into chunks of `max_length`, the newest whole, and every interaction of a chunk is
    asked about from what the chunk holds before it. Where only some are asked about, an example reads at least as many
    before.

    Args:
        interactions: Of all users, with the columns `started` and those that `config` reads.
        config: The model's.
        asked: (L,) bool which of them are asked about; None: all, in chunks.
        frozen: (B,) int64 how many of each user's interactions may be read, the oldest ones; all that are asked about
            come after them. None: all that had ended before.
        delay_hours: Age that the newest interaction has at least that a state is made of.

    Attributes:
        users: (E,) int64 position of each example's user.

    Raises:
        ValueError: a column is missing, or nothing is asked about.
    """

    def __init__(
        self,
        interactions: Interactions,
        config: ArgusConfig,
        asked: np.ndarray | None = None,
        frozen: np.ndarray | None = None,
        delay_hours: float = 0.0,
    ) -> None:
        self._config, self._mask, self._frozen = config, asked, frozen
        self._interactions = interactions.only({STARTED, *config.read})
        for name in (STARTED, *config.read):
            self._interactions.column(name)
        self._delay_ms = round(delay_hours * HOUR_MS)
        self._examples = self._chunks() if asked is None else self._runs(np.flatnonzero(asked))
        if not len(self._examples):
            raise ValueError("none of the interactions is asked about: there is nothing to learn or to judge")
        self.users = self._examples[:, 0]

    def __len__(self) -> int:
        return len(self._examples)

    @property
    def examples(self) -> np.ndarray:
        """(E, 5) int64 the user of each, and the positions that it reads and that it asks about: from and to."""
        return self._examples

    @property
    def asked(self) -> np.ndarray:
        """(T,) int64 the position of each interaction that is asked about, in the order of the batches."""
        return np.concatenate([self._asked(*example) for example in self._examples[:, 3:]])

    @property
    def owners(self) -> np.ndarray:
        """(T,) int64 the user of each."""
        return np.searchsorted(self._interactions.offsets, self.asked, side="right") - 1

    @property
    def items(self) -> np.ndarray:
        """(T,) the item of each."""
        items: np.ndarray = self._interactions.item_index[self.asked]
        return items

    def labels(self) -> np.ndarray:
        """(T, factors) int64 the class of each factor, -1 where it is not known."""
        return self._labels(self.asked)

    def observed(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(L,) users, (L,) items and (L, factors) labels of all interactions, asked about or not."""
        every, of = np.arange(len(self._interactions.timestamps)), self._interactions
        return np.repeat(np.arange(len(of)), of.lengths), of.item_index, self._labels(every)

    def popularity(self, items: int, half_life_days: float) -> PopularityOverTime:
        """That of the items 1..`items`, of all interactions, asked about or not, until the last of them had ended."""
        known = self._interactions.known()
        end = int(known.timestamps.max(initial=0)) + 1
        return PopularityOverTime.of(known, items, end, half_life_days)

    def epoch(self, epoch: int) -> Epoch:
        """The same examples in every epoch."""
        lengths = np.maximum(self._examples[:, 2] - self._examples[:, 1], 1)
        return Epoch(lengths, lengths, self.batch)

    def batch(self, examples: np.ndarray) -> ArgusBatch:
        """The batch of `examples` (B,), in that order."""
        chosen = self._examples[examples]
        read = [np.arange(start, end) for _, start, end, _, _ in chosen.tolist()]
        asked = [self._asked(start, end) for _, _, _, start, end in chosen.tolist()]
        if self._config.form == "interleaved":
            return self._interleaved(chosen, read, asked)
        return self._summed(chosen, read, asked)

    def _chunks(self) -> np.ndarray:
        """(E, 5) int64 user, and the positions that are read and that are asked about: from and to."""
        lengths, longest = self._interactions.lengths, self._config.max_length
        chunks = -(-lengths // longest)
        users = np.repeat(np.arange(len(lengths)), chunks)
        nth = np.arange(len(users)) - np.repeat(np.cumsum(chunks) - chunks, chunks)
        ends = self._interactions.offsets[users + 1] - (chunks[users] - 1 - nth) * longest
        starts = np.maximum(ends - longest, self._interactions.offsets[users])
        return np.stack([users, starts, ends, starts, ends], axis=1)

    def _runs(self, at: np.ndarray) -> np.ndarray:
        """(E, 5) as in `_chunks`: the positions `at`, in runs that leave room for as many before."""
        longest, offsets = self._config.max_length, self._interactions.offsets
        # What the interleaved form asks about takes a place among what it reads.
        single = self._frozen is not None and self._config.form == "interleaved"
        size = 1 if single else max(1, longest // 2)
        owner = np.searchsorted(offsets, at, side="right") - 1
        first = np.flatnonzero(np.diff(owner, prepend=-1))
        run = (at - np.repeat(at[first], np.diff(np.append(first, len(at))))) // size
        begins = np.flatnonzero((np.diff(owner, prepend=-1) != 0) | (np.diff(run, prepend=-1) != 0))
        ends = np.append(begins[1:], len(at))[: len(begins)]
        users, starts, stops = owner[begins], at[begins], at[ends - 1] + 1
        past = stops if self._frozen is None else offsets[users] + self._frozen[users]
        return np.stack([users, np.maximum(past - longest + single, offsets[users]), past, starts, stops], axis=1)

    def _asked(self, start: int, end: int) -> np.ndarray:
        """Positions between these that are asked about."""
        return np.arange(start, end) if self._mask is None else start + np.flatnonzero(self._mask[start:end])

    def _summed(self, chosen: np.ndarray, read: list[np.ndarray], asked: list[np.ndarray]) -> ArgusBatch:
        """States are those of the newest that had ended, where the example reads it."""
        every = np.unique(np.concatenate([*read, *asked]))
        known, newest = self._known_at(every)
        of_read, of_asked = np.concatenate(read), np.concatenate(asked)
        rows = np.repeat(np.arange(len(chosen)), [len(part) for part in asked])
        offsets = np.concatenate([[0], np.cumsum([len(part) for part in read])])
        place = np.searchsorted(every, of_asked)
        # Of what is frozen the newest may lie behind the end of what is read.
        state = np.minimum(newest[place], chosen[rows, 2] - 1) - chosen[rows, 1]
        state = np.where(state < 0, -1, state + offsets[rows])
        return self._made(chosen, every, known, of_read, offsets, of_asked, rows, state)

    def _interleaved(self, chosen: np.ndarray, read: list[np.ndarray], asked: list[np.ndarray]) -> ArgusBatch:
        """What is asked about is read, too, at the end where it is not anyway; its tokens look back at all before it.

        So it can only be asked about where all before it had ended.
        """
        if self._frozen is not None:
            read = [np.concatenate(both) for both in zip(read, asked, strict=True)]
        every = np.unique(np.concatenate(read))
        known, newest = self._known_at(every)
        of_read, of_asked = np.concatenate(read), np.concatenate(asked)
        rows = np.repeat(np.arange(len(chosen)), [len(part) for part in asked])
        offsets = np.concatenate([[0], np.cumsum([len(part) for part in read])])
        owner = np.repeat(np.arange(len(chosen)), np.diff(offsets))
        order = np.lexsort((of_read, owner))
        most = int(of_read.max(initial=0)) + 1
        state = order[np.searchsorted((owner * most + of_read)[order], rows * most + of_asked)]
        first = state == offsets[rows]
        free = first | (newest[np.searchsorted(every, of_asked)] >= of_read[state - 1])
        return self._made(chosen, every, known, of_read, offsets, of_asked[free], rows[free], state[free])

    def _known_at(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of interactions at `places`: (N,) when the newest had ended that is known, -1 for none; and its position.

        The position is one before the user's first where there is none.
        """
        offsets, started = self._interactions.offsets, self._interactions.column(STARTED)[places]
        users = np.searchsorted(offsets, places, side="right") - 1
        ended = count_before(self._interactions, users, started - self._delay_ms)
        if self._frozen is not None:
            ended = np.minimum(ended, self._frozen[users])
        newest = offsets[users] + ended - 1
        none = newest < offsets[users]
        return np.where(none, -1, self._interactions.timestamps[np.maximum(newest, 0)]), newest

    def _made(
        self,
        chosen: np.ndarray,
        every: np.ndarray,
        known: np.ndarray,
        read: np.ndarray,
        offsets: np.ndarray,
        asked: np.ndarray,
        rows: np.ndarray,
        states: np.ndarray,
    ) -> ArgusBatch:
        config, all_of, of_read = self._config, self._columns(every), self._columns(read)
        count, started, place = len(every), self._interactions.column(STARTED)[every], np.searchsorted(every, asked)
        # In the interleaved form the state is of the asked interaction itself, which comes after those it has read.
        before = states - offsets[rows] + (config.form == "summed")
        return ArgusBatch(
            item_index=_tensor(self._interactions.item_index[every]),
            context=_tensor(context_codes(config, all_of, started, known)),
            shown=_tensor(item_codes(config, all_of, count)),
            started=_tensor(started),
            read=_tensor(np.searchsorted(every, read)),
            feedback=_tensor(feedback_codes(config, of_read, len(read))),
            outcomes=_tensor(labels(config, of_read, len(read))),
            timestamps=_tensor(self._interactions.timestamps[read]),
            offsets=_tensor(offsets),
            users=_tensor(chosen[:, 0]),
            asked=_tensor(place),
            rows=_tensor(rows),
            states=_tensor(states),
            before=_tensor(np.where(states < 0, 0, before)),
            newest=_tensor(np.where(known[place] < 0, started[place], known[place])),
            labels=_tensor(self._labels(asked)),
        )

    def _labels(self, places: np.ndarray) -> np.ndarray:
        return labels(self._config, self._columns(places), len(places))

    def _columns(self, places: np.ndarray) -> Mapping[str, np.ndarray]:
        return {name: self._interactions.column(name)[places] for name in self._config.read}


def began_within(interactions: Interactions, since: int, until: int) -> np.ndarray:
    """(L,) bool, what began at `since` or later and before `until`, epoch milliseconds."""
    started = interactions.column(STARTED)
    within: np.ndarray = (started >= since) & (started < until)
    return within


def ended_before(interactions: Interactions, moment: int) -> np.ndarray:
    """(B,) int64 how many of each user's interactions had ended before `moment`, epoch milliseconds."""
    everyone = np.arange(len(interactions))
    return count_before(interactions, everyone, np.full(len(everyone), moment))


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, np.int64))
