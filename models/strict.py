"""The base of every settings, report and message class."""

from pydantic import BaseModel, ConfigDict, ValidationError


class Strict(BaseModel):
    """A value: unknown keys are errors, and nothing changes after construction."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def sentence(error: ValidationError, *within: str) -> str:
    """What does not fit, key by key, as one line.

    Args:
        within: The keys under which what was checked stands.
    """
    return "; ".join(f"{'.'.join(map(str, (*within, *item['loc'])))}: {item['msg']}" for item in error.errors())
