"""The base of every settings, report and message class."""

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """A value: unknown keys are errors, and nothing changes after construction."""

    model_config = ConfigDict(frozen=True, extra="forbid")
