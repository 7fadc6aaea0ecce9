"""An open_clip image tower: pixels in, vectors of length 1 out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from assets.content.decode_image import Fit
from assets.content.encoders import EncoderUnavailable, fingerprint, first_line
from assets.content.hardware import autocast, device
from assets.content.settings import LOCAL, SCHEMAS, SMALL_TOWER, ImageSettings
from storage.vectors import Matrix, normalised

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from PIL import Image

WHOLE_POSTER = {"resize_mode": "squash", "interpolation": "bilinear"}
"""How images are resized for a tower trained from scratch: posters carry their title at the edges, so no cropping."""

LONGEST = 4
"""Longer over shorter side of what a tower that looks at a square is shown."""


@dataclass(frozen=True)
class ImageTower:
    """A tower ready to embed.

    Attributes:
        network: (n, 3, h, w) normalised float32 to (n, d) float32.
        preprocess: open_clip's `PreprocessCfg` as a dictionary: size, mean, std, resize mode.
        key: Names the vectors this tower produces: equal keys, equal vectors (up to rounding).
    """

    network: torch.nn.Module
    preprocess: dict[str, Any]
    key: str

    def fit(self) -> Fit:
        """Resizes one RGB image as the tower wants it, to (3, h, w) uint8."""
        from open_clip.transform import PreprocessCfg, image_transform_v2

        scaled = self.preprocess | {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
        transform = image_transform_v2(PreprocessCfg(**scaled), is_train=False)

        def resize(image: Image.Image) -> NDArray[np.uint8]:
            shown = _middle(image) if self.preprocess["resize_mode"] == "shortest" else image
            return (transform(shown) * 255).round().byte().numpy()

        return resize

    def normalise(self, pixels: torch.Tensor) -> torch.Tensor:
        """(n, 3, h, w) uint8 to the float32 range that the network was trained on."""
        import torch

        mean, std = (torch.tensor(self.preprocess[name], device=pixels.device) * 255 for name in ("mean", "std"))
        return (pixels.float() - mean.view(3, 1, 1)) / std.view(3, 1, 1)

    def embed(self, pixels: NDArray[np.uint8], settings: ImageSettings) -> Matrix:
        """(n, 3, h, w) uint8 to (n, d) float32 with rows of length 1."""
        import torch

        self.network.eval()
        parts = []
        with torch.inference_mode(), autocast(settings.precision):
            for start in range(0, len(pixels), settings.batch):
                batch = torch.from_numpy(pixels[start : start + settings.batch]).to(device())
                parts.append(self.network(self.normalise(batch)).float().cpu().numpy())
        return normalised(np.concatenate(parts)) if parts else np.empty((0, 0), np.float32)


def _middle(image: Image.Image) -> Image.Image:
    """The part of a long image around the square that is looked at; what is cut off is not scaled up first."""
    width, height = image.size
    side = LONGEST * min(width, height)
    left, top = max(0, width - side) // 2, max(0, height - side) // 2
    return image.crop((left, top, width - left, height - top))


def load_pretrained(settings: ImageSettings) -> ImageTower:
    """The image tower of `settings.architecture` with the weights that `settings.pretrained` names.

    Raises:
        EncoderUnavailable: the architecture is unknown or its weights cannot be loaded; never a random tower.
    """
    settings = _located(settings)
    model = _create(settings, require_pretrained=True)
    key = f"image:{settings.architecture}:{settings.pretrained}:{settings.image_size}:{weights_on_disk(settings)}"
    return ImageTower(model.visual.to(device()), model.visual.preprocess_cfg, key)


def build_trainable(settings: ImageSettings, dims: int, key: str, weights: bool = True) -> ImageTower:
    """A tower to be trained towards vectors of `dims` dimensions, seeded: from `settings.pretrained`, else random.

    Args:
        weights: False leaves the named weights out, for a tower whose own weights are loaded next.

    Raises:
        EncoderUnavailable: the architecture is unknown, or named weights cannot be loaded.
    """
    import torch

    settings = _located(settings)
    options: dict[str, Any] = {"force_patch_dropout": settings.adapt.patch_dropout}
    if settings.pretrained or settings.architecture.startswith(SCHEMAS):
        options |= {"require_pretrained": weights, "load_weights": weights}
    else:
        options |= {"embed_dim": dims, "force_preprocess_cfg": WHOLE_POSTER}
    with torch.random.fork_rng():
        torch.manual_seed(settings.adapt.seed)
        visual = _create(settings if weights else settings.model_copy(update={"pretrained": None}), **options).visual
        width = options.get("embed_dim", architecture_config(settings)["embed_dim"])
        head = torch.nn.Identity() if width == dims else torch.nn.Linear(width, dims)
    return ImageTower(torch.nn.Sequential(visual, head).to(device()), visual.preprocess_cfg, key)


def architecture_config(settings: ImageSettings) -> dict[str, Any]:
    """open_clip's model config of `settings.architecture`, or of the folder that `settings.pretrained` names.

    Raises:
        EncoderUnavailable: there is no such architecture.
    """
    import open_clip

    settings = _located(settings)
    name = _registered(settings.architecture)
    try:
        return dict(open_clip.get_model_config(name))
    except Exception as error:  # hub, file system and JSON each raise their own kinds
        raise EncoderUnavailable(_cannot_load(settings, name, error)) from error


def weights_on_disk(settings: ImageSettings) -> str:
    """Changes when the weights that `settings` name are exchanged; empty for such as are not on disk."""
    named = Path(settings.pretrained or settings.architecture.removeprefix(LOCAL))
    return fingerprint(named) if named.exists() else ""


def _located(settings: ImageSettings) -> ImageSettings:
    """`settings`, with a folder of weights as the architecture that it says of itself."""
    if not settings.pretrained or not Path(settings.pretrained).is_dir():
        return settings
    if settings.architecture != SMALL_TOWER:
        raise EncoderUnavailable(
            f"content.image.pretrained is the folder {settings.pretrained}, which says itself what architecture its "
            f"weights have: leave out content.image.architecture ({settings.architecture})"
        )
    return settings.model_copy(update={"architecture": f"{LOCAL}{settings.pretrained}", "pretrained": None})


def _create(settings: ImageSettings, **options: Any) -> Any:
    import open_clip

    name = _registered(settings.architecture)
    try:
        with _without_random_weights_warning():
            return open_clip.create_model(
                name, settings.pretrained, force_image_size=settings.image_size, output_dict=False, **options
            )
    except Exception as error:  # hub, file system and open_clip each raise their own kinds
        raise EncoderUnavailable(_cannot_load(settings, name, error)) from error


def _cannot_load(settings: ImageSettings, name: str, error: Exception) -> str:
    import open_clip

    if name.startswith(LOCAL):
        return (
            f"image tower '{name}' cannot be loaded ({first_line(error)}): content.image.pretrained must be a folder "
            "with open_clip_config.json and the whole weights of that config, as open_clip saves them, or set "
            "content.image.mode to adapt or none"
        )
    weights = f"weights '{settings.pretrained}' of " if settings.pretrained else ""
    tags = ", ".join(open_clip.list_pretrained_tags_by_model(name)) or "none"
    return (
        f"{weights}image tower '{settings.architecture}' cannot be loaded ({first_line(error)}): check the network, "
        "set content.image.pretrained to a weights file, a folder of open_clip's or a tag (for this architecture: "
        f"{tags}), or set content.image.mode to adapt or none"
    )


def _registered(architecture: str) -> str:
    """The name under which open_clip knows `architecture`; a config file is made known to it."""
    import open_clip

    name = architecture
    if architecture.endswith(".json") and Path(architecture).is_file():
        open_clip.add_model_config(architecture)
        name = Path(architecture).stem
    if not name.startswith(SCHEMAS) and name not in open_clip.list_models():
        raise EncoderUnavailable(
            f"image architecture '{architecture}' is unknown: set content.image.architecture to a name from "
            "open_clip.list_models() or to the path of a JSON with embed_dim, vision_cfg and text_cfg"
        )
    return name


@contextmanager
def _without_random_weights_warning() -> Iterator[None]:
    """A tower that is about to be trained from scratch is meant to be random; loads that must not be are errors."""
    import logging

    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
