import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import huggingface_hub
import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from safetensors.torch import save_file

from assets.content.decode_image import decode
from assets.content.encoders import EncoderUnavailable
from assets.content.settings import SMALL_TOWER, ImageSettings
from assets.content.tower import LONGEST, build_trainable, load_pretrained
from tests.assets.content.conftest import encoded

CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"


@pytest.fixture
def weights(tiny_architecture: str, tmp_path: Path) -> str:
    """A weights file as open_clip writes it, of a random tower."""
    open_clip.add_model_config(tiny_architecture)
    torch.manual_seed(3)
    path = tmp_path / "weights.pt"
    torch.save(open_clip.create_model("tiny-test-tower").state_dict(), path)
    return str(path)


def test_pretrained_vectors_are_those_of_open_clip(tiny_architecture: str, weights: str) -> None:
    settings = ImageSettings(mode="pretrained", architecture=tiny_architecture, pretrained=weights, precision="fp32")
    image = Image.effect_noise((40, 30), 80).convert("RGB")
    model, _, preprocess = open_clip.create_model_and_transforms("tiny-test-tower", weights)
    with torch.no_grad():
        expected = model.eval().encode_image(preprocess(image)[None], normalize=True).numpy()
    tower = load_pretrained(settings)
    np.testing.assert_allclose(tower.embed(tower.fit()(image)[None], settings), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("architecture", "pretrained", "said"),
    [
        ("ViT-B-32", "no_such_tag", "laion2b_s34b_b79k"),
        ("ViT-B-32", "laion2b_s34b_b79k", "content.image.mode"),
        ("ViT-B-32", "/nowhere/weights.pt", "content.image.pretrained"),
        ("no-such-tower", "openai", "open_clip.list_models"),
        ("/nowhere/tower.json", "openai", "path of a JSON"),
        ("local-dir:/nowhere", None, "content.image.pretrained"),
    ],
)
@pytest.mark.parametrize("mode", ["pretrained", "adapt"])
def test_weights_that_cannot_be_loaded_are_an_error_that_says_what_to_do(
    mode: Literal["pretrained", "adapt"],
    architecture: str,
    pretrained: str | None,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    settings = ImageSettings(mode=mode, architecture=architecture, pretrained=pretrained)
    with pytest.raises(EncoderUnavailable, match=said):
        load_pretrained(settings) if mode == "pretrained" else build_trainable(settings, 12, "key")


def test_a_folder_with_a_config_but_no_weights_is_never_a_random_tower(tiny_architecture: str, tmp_path: Path) -> None:
    config = f'{{"model_cfg": {Path(tiny_architecture).read_text()}}}'
    (tmp_path / "open_clip_config.json").write_text(config)
    with pytest.raises(EncoderUnavailable, match=re.escape(f"local-dir:{tmp_path}")):
        load_pretrained(ImageSettings(mode="pretrained", architecture=f"local-dir:{tmp_path}"))


@pytest.fixture
def saved(tiny_architecture: str, weights: str, tmp_path: Path) -> Path:
    """A folder as open_clip writes it to be shared: config and weights."""
    folder = tmp_path / "a folder"
    folder.mkdir()
    config = {"model_cfg": json.loads(Path(tiny_architecture).read_text()), "preprocess_cfg": {"mean": [0.5] * 3}}
    (folder / CONFIG).write_text(json.dumps(config))
    save_file(torch.load(weights), folder / WEIGHTS)
    return folder


def test_a_folder_of_weights_is_one_setting(saved: Path) -> None:
    settings = ImageSettings(mode="pretrained", pretrained=str(saved), precision="fp32")
    image = Image.effect_noise((40, 30), 80).convert("RGB")
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{saved}")
    with torch.no_grad():
        expected = model.eval().encode_image(preprocess(image)[None], normalize=True).numpy()
    tower = load_pretrained(settings)
    assert tower.preprocess["mean"] == [0.5] * 3
    np.testing.assert_allclose(tower.embed(tower.fit()(image)[None], settings), expected, atol=1e-5)


def _without_config(folder: Path) -> None:
    (folder / CONFIG).unlink()


def _of_another_shape(folder: Path) -> None:
    config = json.loads((folder / CONFIG).read_text())
    config["model_cfg"]["vision_cfg"]["layers"] = 2
    (folder / CONFIG).write_text(json.dumps(config))


def _config_of_something_else(folder: Path) -> None:
    (folder / CONFIG).write_text(json.dumps({"model_cfg": {"hidden_size": 8}}))


def _cut_off(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:3000])


def _without_weights(folder: Path) -> None:
    (folder / WEIGHTS).unlink()


@pytest.mark.parametrize("mode", ["pretrained", "adapt"])
@pytest.mark.parametrize(
    "broken", [_without_config, _of_another_shape, _config_of_something_else, _cut_off, _without_weights]
)
def test_a_folder_that_cannot_be_loaded_is_one_sentence(
    saved: Path, mode: Literal["pretrained", "adapt"], broken: Callable[[Path], None]
) -> None:
    broken(saved)
    settings = ImageSettings(mode=mode, pretrained=str(saved))
    with pytest.raises(EncoderUnavailable, match=r"content\.image\.pretrained must be a folder") as refused:
        load_pretrained(settings) if mode == "pretrained" else build_trainable(settings, 12, "key")
    assert str(saved) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_folder_beside_another_architecture_is_refused(saved: Path) -> None:
    settings = ImageSettings(mode="pretrained", architecture="ViT-B-32", pretrained=str(saved))
    with pytest.raises(EncoderUnavailable, match=r"leave out content.image.architecture \(ViT-B-32\)"):
        load_pretrained(settings)


def test_weights_of_another_architecture_are_an_error(tiny_architecture: str, weights: str) -> None:
    settings = ImageSettings(mode="pretrained", architecture=SMALL_TOWER, pretrained=weights)
    with pytest.raises(EncoderUnavailable, match=re.escape(weights)):
        load_pretrained(settings)


def test_pretrained_mode_needs_a_name_for_its_weights() -> None:
    with pytest.raises(ValidationError, match=r"ViT-B-32: set `pretrained` to"):
        ImageSettings(mode="pretrained", architecture="ViT-B-32")


def test_a_trainable_tower_reaches_the_width_of_the_texts(tiny_settings: ImageSettings, weights: str) -> None:
    pixels = np.zeros((2, 3, 16, 16), np.uint8)
    for settings in (tiny_settings, tiny_settings.model_copy(update={"pretrained": weights})):
        for dims in (12, 7):
            assert build_trainable(settings, dims, "key").embed(pixels, settings).shape == (2, dims)


def test_the_shipped_tower_is_small() -> None:
    tower = build_trainable(ImageSettings(), 384, "key")
    parameters = sum(weight.numel() for weight in tower.network.parameters())
    assert 1_500_000 < parameters < 2_500_000
    assert tower.preprocess["size"] == (64, 64)


def test_building_a_tower_is_seeded_and_leaves_the_global_generator_alone(tiny_settings: ImageSettings) -> None:
    pixels = np.arange(768, dtype=np.int64).astype(np.uint8).reshape(1, 3, 16, 16)
    torch.manual_seed(1)
    first = build_trainable(tiny_settings, 12, "key").embed(pixels, tiny_settings)
    after = torch.rand(1)
    torch.manual_seed(1)
    assert torch.rand(1) == after
    np.testing.assert_array_equal(build_trainable(tiny_settings, 12, "key").embed(pixels, tiny_settings), first)


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("size", [(3, 4000), (20_000, 1), (1, 1), (16, 15)])
def test_thin_images_are_not_scaled_up(
    tiny_settings: ImageSettings, mode: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    tower = build_trainable(tiny_settings, 12, "key")
    shaped = replace(tower, preprocess={**tower.preprocess, "resize_mode": mode, "size": (64, 64)})
    made: list[int] = []
    resize = Image.Image.resize

    def counted(image: Image.Image, to: tuple[int, int], *more: Any, **named: Any) -> Image.Image:
        made.append(to[0] * to[1])
        return resize(image, to, *more, **named)

    monkeypatch.setattr(Image.Image, "resize", counted)
    found = decode([encoded(Image.new("RGB", size))], shaped.fit(), ImageSettings(max_aspect=10**6))
    if found.accepted[0]:
        assert found.pixels.shape == (1, 3, 64, 64)
    else:
        assert found.reasons == ["cannot be resized"]
    assert max(made, default=0) <= LONGEST * 64 * 64, "no more than is looked at is made"


def test_the_middle_of_a_long_image_is_what_a_square_tower_sees(tiny_architecture: str, weights: str) -> None:
    settings = ImageSettings(mode="pretrained", architecture=tiny_architecture, pretrained=weights)
    _, _, preprocess = open_clip.create_model_and_transforms("tiny-test-tower", weights)
    noise = Image.effect_noise((400, 16), 80).convert("RGB")
    tower = load_pretrained(settings)
    seen = tower.normalise(torch.from_numpy(tower.fit()(noise)[None]))
    np.testing.assert_allclose(seen.numpy(), preprocess(noise)[None].numpy(), atol=0.02)
