"""Why each column was taken for what it is, and of which that is not sure."""

from dataclasses import dataclass, field


@dataclass
class Reasons:
    """Reasons by the contract's names.

    Attributes:
        told: What speaks for each.
        unsure: Those for which that is not much.
    """

    told: dict[str, str] = field(default_factory=dict)
    unsure: set[str] = field(default_factory=set)

    def add(self, name: str, reason: str, more: str = "", *, sure: bool = True) -> None:
        """Args:
        more: Said behind whether it is sure.
        """
        self.told[name] = reason + ("" if sure else ": not sure") + more
        if not sure:
            self.unsure.add(name)
