"""Actions by name and as bits of a mask."""

from collections.abc import Sequence


def action_bits(vocabulary: Sequence[str], chosen: Sequence[str]) -> int:
    """The bit mask of `chosen` actions in the vocabulary of the sequences that are read with it.

    An action that the vocabulary lacks stands nowhere in those sequences; whoever declares actions asks
    `require_declared` besides.

    Raises:
        ValueError: the vocabulary has none of them.
    """
    bits = sum(1 << bit for bit, action in enumerate(vocabulary) if action in chosen)
    if not bits:
        raise ValueError(
            f"the sequences know none of the actions {', '.join(chosen)}, only {', '.join(vocabulary) or 'none'}: put "
            "one back into quality.actions, or train on others"
        )
    return bits


def require_declared(vocabulary: Sequence[str], chosen: Sequence[str]) -> None:
    """Refuses actions that a vocabulary lacks.

    Raises:
        ValueError: one of `chosen` is not in it.
    """
    unknown = [action for action in chosen if action not in vocabulary]
    if unknown:
        raise ValueError(f"actions {unknown} are not declared: the profile's vocabulary is {list(vocabulary)}")
