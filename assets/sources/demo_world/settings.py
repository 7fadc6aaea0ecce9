"""How large the demo world is and how dirty its logs are."""

from typing import Literal

from pydantic import Field

from models.strict import Strict

REFERENCE_EVENTS = 250_000
"""The size at which the world has the user and item numbers named below; other sizes grow from here."""

REFERENCE_DAYS = 14
USERS = 1_500
INITIAL_ITEMS = 1_200
DAILY_ITEMS = 30
USER_GROWTH = 0.75
ITEM_GROWTH = 0.4
"""Exponents of growth: a thousand times the events come from 178 times the users, on 16 times the items."""

ROWS_PER_REQUEST = 17.0
"""Event rows that one request leaves on average, measured; the knob `events` is turned into requests by it."""


class DemoWorldSettings(Strict):
    """One world: equal settings give equal files, byte for byte."""

    kind: Literal["demo_world"] = "demo_world"
    seed: int = Field(default=7, ge=0, description="Seed of everything that is drawn.")
    events: int = Field(
        default=REFERENCE_EVENTS,
        ge=1_000,
        description="Approximate number of event rows over the first 14 days; users and items grow with it.",
    )
    dirt: float = Field(default=0.002, ge=0, le=0.5, description="Share of damaged rows added to each day's events.")
    gaps: float = Field(default=0.01, ge=0, le=1, description="Share of items without a poster, and without a text.")
    users_per_file: int = Field(
        default=2_000, ge=1, description="Users made at once; bounds memory, and each such chunk is one landing file."
    )

    @property
    def scale(self) -> float:
        return self.events / REFERENCE_EVENTS

    @property
    def users(self) -> int:
        return max(20, round(USERS * self.scale**USER_GROWTH))

    @property
    def initial_items(self) -> int:
        return max(60, round(INITIAL_ITEMS * self.scale**ITEM_GROWTH))

    @property
    def daily_items(self) -> int:
        return max(2, round(DAILY_ITEMS * self.scale**ITEM_GROWTH))

    @property
    def requests_per_day(self) -> float:
        """Mean number of requests of one user on one day."""
        return self.events / (REFERENCE_DAYS * self.users * ROWS_PER_REQUEST)
