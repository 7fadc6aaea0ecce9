import math
from typing import Literal

import pytest
import torch

from models.attention.mask import AttentionMask
from models.config.model import InputEncodingConfig
from models.encoder.encoding import InputEncoding, age_bucket, position_index
from models.encoder.stack import Layout

SECOND = 1000
Positions = Literal["recency", "start"]


def index(length: int, targets: int, context: int, positions: Positions) -> list[int]:
    places = torch.arange(length)
    return position_index(places, torch.full((length,), length - targets), context, positions).tolist()


def test_positions_count_back_from_the_candidates() -> None:
    assert index(8, targets=3, context=0, positions="recency") == [5, 4, 3, 2, 1, 0, 0, 0]


def test_contextual_tokens_have_the_first_positions() -> None:
    assert index(8, targets=3, context=2, positions="recency") == [0, 1, 5, 4, 3, 2, 2, 2]


def test_positions_from_the_start_do_not_move_when_a_row_grows() -> None:
    assert index(8, targets=3, context=2, positions="start") == [0, 1, 2, 3, 4, 5, 5, 5]
    assert index(9, targets=3, context=2, positions="start") == [0, 1, 2, 3, 4, 5, 6, 6, 6]


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [
        (-5, 0), (0, 0), (59, 0), (60, 1), (239, 1), (240, 2), (3600, 7), (86_400, 37), (604_800, 100),
        (31_536_000, 724), (251_658_240, 2048), (10**9, 2048),
        # One second early: fp32 cannot tell it from the edge.
        (251_658_239, 2048),
        (251_600_000, 2047),
    ],
)  # fmt: skip
def test_buckets_by_square_root(seconds: int, bucket: int) -> None:
    assert age_bucket(torch.tensor([seconds * SECOND]), "sqrt", 2048).tolist() == [bucket]


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(-5, 0), (0, 0), (60, 0), (163, 0), (164, 1), (3600, 4), (86_400, 7), (10**9, 16)]
)
def test_buckets_by_logarithm(seconds: int, bucket: int) -> None:
    assert age_bucket(torch.tensor([seconds * SECOND]), "log", 2048).tolist() == [bucket]


def test_parts_of_a_second_do_not_count() -> None:
    assert age_bucket(torch.tensor([59_999, 60_000]), "sqrt", 2048).tolist() == [0, 1]


def numbered(positions: Positions) -> InputEncoding:
    """Tables that tell which row was taken: units by position, hundreds by age."""
    config = InputEncodingConfig(positions=positions, position_rows=5, time_buckets=9)
    made = InputEncoding(4, 1, config)
    with torch.no_grad():
        made.positions.copy_(torch.arange(5.0)[:, None].expand(5, 4))
        if made.times is not None:
            made.times.copy_(100 * torch.arange(10.0)[:, None].expand(10, 4))
    return made


def two_rows() -> tuple[Layout, torch.Tensor]:
    """One contextual token, then 5 interactions and a candidate; one contextual token and an interaction."""
    minutes = torch.tensor([0, 10, 10, 11, 15, 18, 19, 0, 100]) * 60_000
    request_times = torch.tensor([19, 101]) * 60_000
    mask = AttentionMask(targets=torch.tensor([1, 0]))
    return Layout(torch.tensor([0, 7, 9]), minutes, minutes, mask), request_times


def test_an_input_is_the_scaled_vector_and_its_place_and_age() -> None:
    layout, request_times = two_rows()
    encoded = numbered("recency")(torch.full((9, 4), 1000.0), layout, request_times)
    # Ages in minutes 19 9 9 8 4 1 0 | 101 1; the table ends at bucket 9, the positions at 4.
    assert encoded[:, 0].tolist() == [2400, 2304, 2304, 2204, 2203, 2102, 2001, 2900, 2102]


def test_no_age_is_added_where_positions_count_from_the_start() -> None:
    layout, request_times = two_rows()
    encoded = numbered("start")(torch.full((9, 4), 1000.0), layout, request_times)
    assert encoded[:, 0].tolist() == [2000, 2001, 2002, 2003, 2004, 2004, 2004, 2000, 2001]


def test_the_last_tokens_alone_have_the_same_places() -> None:
    layout, request_times = two_rows()
    whole = numbered("recency")(torch.zeros(9, 4), layout, request_times)
    asking, since = layout.since(torch.tensor([4, 1]))
    assert asking.tolist() == [4, 5, 6, 8]
    assert since.query_offsets is not None
    assert since.query_offsets.tolist() == [0, 3, 4]
    assert torch.equal(numbered("recency")(torch.zeros(4, 4), since, request_times), whole[asking])


def test_tables_begin_as_published() -> None:
    made = InputEncoding(32, 0, InputEncodingConfig())
    assert made.times is not None
    assert (tuple(made.positions.shape), tuple(made.times.shape)) == ((8192, 32), (2049, 32))
    assert 0.99 * math.sqrt(1 / 8192) < made.positions.abs().max() <= math.sqrt(1 / 8192)
    assert 0.99 * math.sqrt(1 / 2048) < made.times.abs().max() <= math.sqrt(1 / 2048)
