import socket
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer

from assets.content.encoders import EncoderUnavailable, silent
from assets.content.incremental import no_vectors
from assets.content.settings import TextSettings
from assets.content.text_embeddings import embed_texts, load_text_model, text_encoder_key, text_table
from assets.content.text_windows import windows_of
from tests.assets.content.conftest import items_frame

EXACT = TextSettings(precision="fp32")


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object) -> None:
        pytest.fail("tried to connect")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.usefixtures("no_network")
def test_packaged_weights_embed_without_a_network() -> None:
    vectors, _ = embed_texts(["a cat sleeps", "a kitten naps", "stock markets fell"], EXACT)
    assert vectors.shape == (3, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert vectors[0] @ vectors[1] > 0.5 > vectors[0] @ vectors[2]


def test_bf16_gives_nearly_the_same_vectors() -> None:
    texts = ["a heist in the desert", "x", "two words"]
    exact, rounded = (embed_texts(texts, of)[0] for of in (EXACT, TextSettings(precision="bf16")))
    cosines = (exact * rounded).sum(axis=1)
    assert cosines.min() > 0.999


def test_max_length_cuts_the_text() -> None:
    four = TextSettings(precision="fp32", max_length=4, windows=1)
    (short, long), cut_short = embed_texts(["one two", "one two three four"], four)
    np.testing.assert_allclose(short, long, atol=1e-5)
    assert cut_short == 1


def test_the_end_of_a_long_text_counts_and_what_is_not_read_is_counted() -> None:
    """Ten words, ten thousand, and a text whose second window alone tells of cats."""
    short, dull = "a red chair made of wood for your living room", "a red chair made of wood. " * 60
    texts = [short, f"{short} " * 1000, dull, f"{dull} A cat and its kitten sleep and purr. " * 2, ""]
    found, cut_short = embed_texts(texts, EXACT)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    assert cut_short == 1
    once, of_once = embed_texts(texts[:4], EXACT.model_copy(update={"windows": 1}))
    assert of_once == 3
    np.testing.assert_allclose(once[0], found[0], atol=1e-5)
    (cats,), _ = embed_texts(["cats and kittens"], EXACT)
    assert found[0] @ found[1] > 0.2 + found[1] @ cats, "the same words a thousand times"
    np.testing.assert_allclose(once[2] @ cats, once[3] @ cats, atol=1e-5)
    assert found[3] @ cats > once[3] @ cats + 0.02
    table = text_table(items_frame([{"item_id": 1, "title": texts[1]}]).lazy(), no_vectors(), EXACT, silent)
    assert (table.embedded, table.cut_short) == (1, 1)


@pytest.fixture(scope="module")
def model() -> SentenceTransformer:
    return load_text_model(TextSettings(max_length=12))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.text(max_size=200), max_size=5), st.integers(1, 4))
def test_windows_hold_a_text_whole_or_say_that_they_do_not(
    model: SentenceTransformer, texts: list[str], most: int
) -> None:
    windows = windows_of(texts, model, most)
    lengths = [len(model.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]) for text in texts]
    needed = [max(1, -(-length // 10)) for length in lengths]
    assert np.bincount(windows.owners, minlength=len(texts)).tolist() == [min(most, count) for count in needed]
    assert windows.cut_short == sum(count > most for count in needed)
    for owner, text in enumerate(texts):
        parts = [part for part, of in zip(windows.texts, windows.owners, strict=True) if of == owner]
        assert all(part in text for part in parts)
        assert parts == [text] or len(parts) > 1 or needed[owner] > 1


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
