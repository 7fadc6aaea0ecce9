"""When a recommendation is asked for: one rule for everyone who does not say so."""

LONGEST_SILENCE_MS = 24 * 60 * 60 * 1000
"""A request is dated at most a day after the newest interaction. Live logs are never older than that; with an archive
of another year, the wall clock would tell the model of a silence of years that it never saw in training."""


def request_time(asked_at: int | None, now: int, newest: int | None) -> int:
    """Epoch milliseconds of a request: the moment that it names, else now, but not long after the newest interaction.

    Args:
        asked_at: The moment that the request names; None where it names none.
        now: The wall clock.
        newest: Time of the newest interaction of anybody; None where there is none.
    """
    if asked_at is not None:
        return asked_at
    return now if newest is None else min(now, newest + LONGEST_SILENCE_MS)
