"""What a ranking model is made of."""

from pydantic import Field, model_validator

from models.config.model import InputEncodingConfig, StuConfig, TrainedConfig


class RankerConfig(TrainedConfig):
    """Everything that fixes the shape and the function of a ranker (HSTU spec sections 2.5-2.7 and 8, dlrm_v3)."""

    width: int = Field(default=128, ge=1, description="Width of item vectors and hidden states.")
    max_length: int = Field(default=256, ge=1, description="Most recent interactions that the ranker sees.")
    attention_divisor: int = Field(
        default=0,
        ge=0,
        description="N, which divides the attention weights: frozen with the model, never taken from a batch. "
        "0 chooses the longest row with one candidate.",
    )
    actions: tuple[str, ...] = Field(
        min_length=1,
        max_length=62,
        description="Declared actions; bit k of an action mask is action k. One logit each.",
    )
    action_dim: int = Field(default=8, ge=1, description="Width of one action's embedding.")
    context: tuple[int, ...] = Field(
        default=(), description="Contextual slots before the history: the number of values of each."
    )
    input_dropout: float = Field(default=0.2, ge=0, lt=1, description="Dropout on the encoder's input.")
    hidden: int = Field(default=256, ge=1, description="Hidden width of the MLPs on items and actions.")
    head_hidden: int = Field(default=512, ge=1, description="Hidden width of the candidates' MLP and of the head's.")
    encoding: InputEncodingConfig = InputEncodingConfig()
    backbone: StuConfig = StuConfig()
    candidates: int = Field(
        default=16, ge=1, description="In training: most candidates that are judged from one history."
    )
    request_minutes: float = Field(
        default=30.0,
        ge=0,
        description="In training: what was shown within so many minutes of what was shown before is judged from the "
        "history before the first of it.",
    )

    @property
    def family(self) -> str:
        return self.backbone.name

    @property
    def longest_row(self) -> int:
        """Tokens of the longest row with one candidate."""
        return len(self.context) + self.max_length + 1

    @model_validator(mode="before")
    @classmethod
    def _choose_divisor(cls, values: dict[str, object]) -> dict[str, object]:
        if values.get("attention_divisor"):
            return values
        length = values.get("max_length", cls.model_fields["max_length"].default)
        context = values.get("context", ())
        return {**values, "attention_divisor": len(context) + int(str(length)) + 1}  # type: ignore[arg-type]

    @model_validator(mode="after")
    def _consistent(self) -> "RankerConfig":
        if len(set(self.actions)) != len(self.actions):
            raise ValueError(f"actions {self.actions} are declared twice: name each once")
        if self.encoding.positions == "start" and self.encoding.position_rows < self.longest_row:
            raise ValueError(
                f"position_rows {self.encoding.position_rows} is smaller than the longest row {self.longest_row}: "
                "positions that count from the start need a row each"
            )
        return self
