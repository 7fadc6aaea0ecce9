"""Settings of the encoders that turn an item's text and image into vectors: the profile's section `content`."""

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from models.strict import Strict

Precision = Literal["auto", "fp32", "bf16"]

SMALL_TOWER = str(Path(__file__).parent / "towers" / "vit-tiny-64.json")
"""A 1.9 M parameter ViT at 64 px: what two CPU cores can train on a catalogue in half a minute."""


LOCAL = "local-dir:"
SCHEMAS = ("hf-hub:", LOCAL)
"""Prefixes of open_clip architectures that bring their own weights."""


STORE = re.compile(r"(?!https?:|file:)[a-z][a-z0-9+.-]*://[^/?#]+(/[^?#]*)?(\?[^#]*)?")
"""The URI of a bucket or of a folder in it, with options."""


class TextSettings(Strict):
    """How item texts are embedded."""

    model: str = Field(
        default="packaged:all-MiniLM-L6-v2",
        min_length=1,
        description="Packaged weights ('packaged:all-MiniLM-L6-v2'), a hub name or a local folder.",
    )
    max_length: int | None = Field(
        default=None, ge=1, description="Tokens of a text that are read; the model's own maximum if unset."
    )
    windows: int = Field(
        default=4,
        ge=1,
        description="A longer text is read in windows of so many tokens, this many at most, and is their mean.",
    )
    batch: int = Field(default=32, ge=1, description="Texts per forward pass.")
    precision: Precision = Field(default="auto", description="auto: bf16 where the hardware is quick with it.")


class AdaptSettings(Strict):
    """How an image tower is trained against the frozen text vectors of the catalogue."""

    epochs: int = Field(default=8, ge=1, description="Upper bound of passes over the training pairs.")
    patience: int = Field(default=2, ge=1, description="Epochs without a lower validation loss before training stops.")
    batch: int = Field(default=64, ge=2, description="Pairs per step; each pair's negatives are the rest of its batch.")
    learning_rate: float = Field(default=1e-3, gt=0, description="Peak of the warm-up and cosine schedule.")
    weight_decay: float = Field(default=0.1, ge=0, description="AdamW decay of matrices; gains and biases have none.")
    patch_dropout: float = Field(
        default=0.5, ge=0, lt=1, description="Share of patches left out in training (FLIP): faster, and regularises."
    )
    temperature: float = Field(default=0.07, gt=0, description="Start value of the learnable softmax temperature.")
    seed: int = Field(default=0, description="Seed of weights, batch order and augmentation.")
    validation: float = Field(default=0.05, gt=0, lt=0.5, description="Share of pairs whose loss decides when to stop.")
    holdout: float = Field(default=0.1, gt=0, lt=0.5, description="Share of pairs kept apart to be scored at the end.")
    minimum_pairs: int = Field(
        default=200, ge=8, description="With fewer (image, text) pairs no tower is trained and no image has a vector."
    )
    maximum_pairs: int = Field(
        default=50_000, ge=8, description="Pairs that are trained on, validated and held out; a stable sample if fewer."
    )
    retrain_after: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Share of pairs the newest tower may not have seen before a new one is trained; vectors of "
        "unchanged images stay as they are until then.",
    )


class ImageSettings(Strict):
    """How item images are embedded."""

    mode: Literal["adapt", "pretrained", "none"] = Field(
        default="adapt",
        description="pretrained: embed with downloaded or local weights; adapt: train on the catalogue first, from "
        "`pretrained` if given, else from scratch; none: no image vectors.",
    )
    architecture: str = Field(
        default=SMALL_TOWER, min_length=1, description="An open_clip model name or the path of a model config JSON."
    )
    pretrained: str | None = Field(
        default=None,
        description="An open_clip tag, the path of a weights file, or that of a folder that open_clip wrote, with "
        "config and weights; `architecture` is left out then.",
    )
    image_size: int | None = Field(default=None, ge=8, description="Pixels a side; the architecture's own if unset.")
    batch: int = Field(default=128, ge=1, description="Images per forward pass.")
    precision: Precision = Field(default="auto", description="auto: bf16 where the hardware is quick with it.")
    root: str = Field(
        default="", description="Folder that relative image paths of the items table start from; files in it are read."
    )
    roots: tuple[str, ...] = Field(
        default=(),
        description="More folders that image files are read from. Those of the catalogue's files are read in any case, "
        "others never; links are followed first.",
    )
    stores: tuple[str, ...] = Field(
        default=(),
        description="Object stores that images are read from, such as s3://bucket/photos?region=eu-west-1, with the "
        "options of pyarrow's file systems. An image's own URI has none. Credentials belong in the environment.",
    )
    download: bool = Field(default=False, description="Whether images at http(s) addresses may be fetched.")
    hosts: tuple[str, ...] = Field(
        default=(),
        description="Hosts (name, or name:port) that may be asked though their address is not public, or at a port "
        "other than 80 and 443.",
    )
    timeout_s: float = Field(
        default=20, gt=0, description="Seconds in which an image must be read, redirects included, and then decoded."
    )
    max_bytes: int = Field(default=32 * 2**20, ge=1, description="Largest encoded image that is read.")
    max_pixels: int = Field(default=64 * 10**6, ge=1, description="Largest image that is decoded: no bombs.")
    max_aspect: float = Field(
        default=200, ge=1, description="Longer side over shorter: thinner strips are not pictures."
    )
    adapt: AdaptSettings = Field(default=AdaptSettings(), description="Training of the image tower in mode adapt.")

    @field_validator("stores")
    @classmethod
    def _are_stores(cls, stores: tuple[str, ...]) -> tuple[str, ...]:
        strange = [store for store in stores if not STORE.fullmatch(store)]
        if strange:
            raise ValueError(f"{strange[0]!r} is not an object store: write a URI such as s3://bucket/photos")
        return stores

    @model_validator(mode="after")
    def _weights_are_named(self) -> "ImageSettings":
        if self.mode == "pretrained" and not self.pretrained and not self.architecture.startswith(SCHEMAS):
            raise ValueError(
                f"content.image: mode 'pretrained' needs weights for {self.architecture}: set `pretrained` to an "
                "open_clip tag, a weights file or a folder of open_clip's, or choose mode 'adapt' or 'none'"
            )
        return self


class ContentSettings(Strict):
    """Both encoders."""

    text: TextSettings = Field(default=TextSettings(), description="The text encoder.")
    image: ImageSettings = Field(default=ImageSettings(), description="The image encoder.")
