"""Thin strips of pixels in a few hundred bytes: a reason for that image, and the stage goes on."""

from pathlib import Path

import numpy as np
import pytest

from assets.content.encoders import silent
from assets.content.image_embeddings import image_table
from assets.content.incremental import no_vectors
from assets.content.settings import AdaptSettings, ImageSettings
from storage.vectors import to_matrix
from tests.assets.content.conftest import catalogue_rows, items_frame
from tests.assets.content.test_image_embeddings import text_vectors
from tests.cases.folder import cases

N = 80


@pytest.mark.parametrize("kept_as", ["files", "bytes"])
def test_strips_have_a_reason_and_all_other_images_a_vector(tmp_path: Path, kept_as: str) -> None:
    folder = cases("images")
    strips = ["strip_5000x1.png", "strip_20000x1.png", "strip_65000x1.png"]
    rows = catalogue_rows(N)
    for item, name in enumerate(strips):
        content = (folder / name).read_bytes()
        rows[item] |= {"image_bytes": content} if kept_as == "bytes" else {"image_bytes": None, "image": name}
    adapt = AdaptSettings(epochs=1, minimum_pairs=40, holdout=0.3, validation=0.2)
    settings = ImageSettings(root=str(folder), adapt=adapt)
    found = image_table(items_frame(rows).lazy(), text_vectors(N), no_vectors(), tmp_path, settings, silent)
    thin = "too thin: one side is more than 200 times the other"
    assert dict(found.rejected.iter_rows()) == dict.fromkeys(range(3), thin)
    lengths = np.linalg.norm(to_matrix(found.table.frame["vector"]), axis=1)
    np.testing.assert_allclose(lengths, [0] * 3 + [1] * (N - 3), atol=1e-5)
