import socket
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest

from assets.content.encoders import EncoderUnavailable, silent
from assets.content.incremental import no_vectors
from assets.content.settings import TextSettings
from assets.content.text_embeddings import embed_texts, text_encoder_key, text_table
from tests.assets.content.conftest import items_frame

EXACT = TextSettings(precision="fp32")


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object) -> None:
        pytest.fail("tried to connect")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.usefixtures("no_network")
def test_packaged_weights_embed_without_a_network() -> None:
    vectors = embed_texts(["a cat sleeps", "a kitten naps", "stock markets fell"], EXACT)
    assert vectors.shape == (3, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert vectors[0] @ vectors[1] > 0.5 > vectors[0] @ vectors[2]


def test_bf16_gives_nearly_the_same_vectors() -> None:
    texts = ["a heist in the desert", "x", "two words"]
    cosines = (embed_texts(texts, EXACT) * embed_texts(texts, TextSettings(precision="bf16"))).sum(axis=1)
    assert cosines.min() > 0.999


def test_max_length_cuts_the_text() -> None:
    short, long = embed_texts(["one two", "one two three four"], TextSettings(precision="fp32", max_length=4))
    np.testing.assert_allclose(short, long, atol=1e-5)


@pytest.mark.parametrize("model", ["packaged:other", "/nowhere/model", "no-such-org/no-such-model"])
def test_a_model_that_cannot_be_loaded_says_what_to_do(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(EncoderUnavailable, match=rf"(?s){model}.*content\.text\.model"):
        embed_texts(["a"], TextSettings(model=model))


def test_exchanged_local_weights_change_the_key(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"one")
    before = text_encoder_key(TextSettings(model=str(tmp_path)))
    assert before == text_encoder_key(TextSettings(model=str(tmp_path)))
    weights.write_bytes(b"other")
    assert before != text_encoder_key(TextSettings(model=str(tmp_path)))


def test_only_a_changed_text_is_embedded_again() -> None:
    rows: list[dict[str, object]] = [{"item_id": i, "title": f"title {i}"} for i in range(4)] + [{"item_id": 9}]
    first = text_table(items_frame(rows).lazy(), no_vectors(), EXACT, silent)
    again = text_table(items_frame(rows).lazy(), first.frame, EXACT, silent)
    rows[1]["title"] = "another title"
    changed = text_table(items_frame(rows).lazy(), first.frame, EXACT, silent)
    full = text_table(items_frame(rows).lazy(), no_vectors(), EXACT, silent)
    assert [(t.embedded, t.reused) for t in (first, again, changed, full)] == [(4, 0), (0, 4), (1, 3), (4, 0)]
    assert again.frame.equals(first.frame)
    assert changed.frame.drop("vector").equals(full.frame.drop("vector"))
    np.testing.assert_allclose(
        np.stack(changed.frame["vector"].to_list()), np.stack(full.frame["vector"].to_list()), atol=1e-5
    )
