"""How long what is no longer the newest is kept: the profile's `retention:` section."""

from datetime import timedelta

from pydantic import Field

from models.strict import Strict


class RetentionSettings(Strict):
    """How long what is no longer the newest is kept."""

    keep_days: float = Field(default=30, ge=0, description="Table versions and trained versions of so many days stay.")
    keep_versions: int = Field(
        default=10,
        ge=1,
        description="Of the trained versions the newest stay, with the tables they name; champions that a rollback can "
        "reach stay too.",
    )
    safety_hours: float = Field(
        default=24, ge=0, description="Nothing younger is deleted, because a run that is going on may need it."
    )
    rows_per_file: int = Field(
        default=4_000_000, ge=1, description="Compaction joins the files of a day up to about so many rows."
    )

    @property
    def age(self) -> timedelta:
        """What nothing names is deleted when it is older."""
        return max(timedelta(days=self.keep_days), timedelta(hours=self.safety_hours))
