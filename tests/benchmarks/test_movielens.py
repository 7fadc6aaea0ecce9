from pathlib import Path

import numpy as np
import pytest

from benchmarks.movielens import hold_out, read, write_imitation


def write(folder: Path, ratings: list[str], movies: list[int]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "ratings.dat").write_text("\n".join(ratings) + "\n")
    (folder / "movies.dat").write_text("".join(f"{movie}::Film (1999)::Drama\n" for movie in movies))
    return folder


TWO_USERS = ["7::30::5::100", "2::10::1::50", "7::10::3::90", "7::20::4::90", "2::30::2::40", "2::40::2::60"]


def test_ratings_of_one_second_keep_the_order_of_the_file(tmp_path: Path) -> None:
    ratings = read(write(tmp_path / "ml", TWO_USERS, [10, 20, 30, 40, 99]))
    # Users by id; rows count movies.dat, whose last movie nobody rated.
    assert ratings.items == 5
    np.testing.assert_array_equal(ratings.histories.offsets, [0, 3, 6])
    np.testing.assert_array_equal(ratings.histories.item_index, [3, 1, 4, 1, 2, 3])
    np.testing.assert_array_equal(ratings.histories.timestamps, [40_000, 50_000, 60_000, 90_000, 90_000, 100_000])


def test_or_they_come_the_other_way_round_and_nothing_else_changes(tmp_path: Path) -> None:
    ratings = read(write(tmp_path / "ml", TWO_USERS, [10, 20, 30, 40, 99]), "reversed")
    np.testing.assert_array_equal(ratings.histories.item_index, [3, 1, 4, 2, 1, 3])
    np.testing.assert_array_equal(ratings.histories.timestamps, [40_000, 50_000, 60_000, 90_000, 90_000, 100_000])


def test_the_last_rating_is_held_out(tmp_path: Path) -> None:
    held_out = hold_out(read(write(tmp_path / "ml", TWO_USERS, [10, 20, 30, 40])), 1)
    np.testing.assert_array_equal(held_out.targets, [4, 3])
    np.testing.assert_array_equal(held_out.times, [60_000, 100_000])
    np.testing.assert_array_equal(held_out.histories.item_index, [3, 1, 1, 2])
    np.testing.assert_array_equal(held_out.histories.offsets, [0, 2, 4])


def test_holding_out_the_second_last_forgets_the_last(tmp_path: Path) -> None:
    longer = [*TWO_USERS, "2::20::3::70", "7::40::3::200"]
    held_out = hold_out(read(write(tmp_path / "ml", longer, [10, 20, 30, 40])), 2)
    np.testing.assert_array_equal(held_out.targets, [4, 3])
    np.testing.assert_array_equal(held_out.histories.item_index, [3, 1, 1, 2])


def test_bad_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="give --data or set GENREC_ML1M"):
        read(None)
    with pytest.raises(FileNotFoundError, match=r"lacks ratings\.dat or movies\.dat"):
        read(tmp_path)
    with pytest.raises(ValueError, match="movie 40 was rated"):
        read(write(tmp_path / "ml", TWO_USERS, [10, 20, 30]))
    with pytest.raises(ValueError, match="user 0 has 3 ratings"):
        hold_out(read(write(tmp_path / "ml", TWO_USERS, [10, 20, 30, 40])), 2)


def test_the_imitation_is_read_like_the_real_one(tmp_path: Path) -> None:
    ratings = read(write_imitation(tmp_path / "ml", users=5, movies=9))
    assert len(ratings.histories) == 5
    assert ratings.items == 9
    assert ratings.histories.lengths.min() >= 8
