import pytest
import torch

from models.attention.bias import AttentionBias, dense_bias, time_bucket
from models.attention.mask import AttentionMask

FIRST_SECOND_OF_BUCKET = {
    2: 2, 3: 3, 4: 4, 5: 5, 6: 7, 7: 9, 8: 12, 9: 16, 10: 21, 11: 28, 12: 38, 13: 51, 14: 68, 15: 92, 16: 124,
    17: 167, 18: 226, 19: 305, 20: 412, 21: 557, 22: 752, 23: 1016, 24: 1372, 25: 1854, 26: 2505, 27: 3385,
    28: 4574, 30: 8350, 33: 20600, 37: 68666, 38: 92782, 40: 169397, 44: 564672, 49: 2543367,
}  # fmt: skip


@pytest.mark.parametrize(("bucket", "second"), FIRST_SECOND_OF_BUCKET.items())
def test_bucket_edges(bucket: int, second: int) -> None:
    assert time_bucket(torch.tensor([second, second - 1])).tolist()[0] == bucket
    assert int(time_bucket(torch.tensor([second - 1]))) < bucket


def test_small_negative_and_huge_differences() -> None:
    assert time_bucket(torch.tensor([0, 1, -60, 60])).tolist() == [0, 0, 13, 13]
    assert time_bucket(torch.tensor([3600, 86_400, 604_800, 2_592_000, 31_536_000, 10**9, 2**31])).tolist() == [
        27, 37, 44, 49, 57, 68, 71,
    ]  # fmt: skip


def test_bucket_one_is_empty() -> None:
    assert 1 not in time_bucket(torch.arange(10_000)).tolist()


def numbered(divisor: int, query_times: list[int], key_times: list[int]) -> AttentionBias:
    """Weights that tell which one was taken: hundreds by distance, units by time bucket."""
    return AttentionBias(
        position=100 * torch.arange(2 * divisor - 1.0),
        time=torch.arange(129.0),
        query_times=torch.tensor(query_times),
        key_times=torch.tensor(key_times),
    )


def dense(bias: AttentionBias, mask: AttentionMask) -> list[list[float]]:
    return dense_bias(bias, bias.query_times[None], torch.tensor([0, len(bias.key_times)]), mask)[0].tolist()


def test_queries_know_the_time_of_what_comes_next() -> None:
    # token 0 looks from second 10, token 1 from the request at second 70; divisor 3 has its diagonal at 2
    shown = dense(numbered(3, [10_000, 70_000], [0, 10_000]), AttentionMask())
    assert shown == [[207, 300], [114, 213]]


def test_distance_is_counted_from_the_diagonal() -> None:
    shown = dense(numbered(5, [0] * 3, [0] * 3), AttentionMask())
    assert shown == [[400, 500, 600], [300, 400, 500], [200, 300, 400]]


def test_every_candidate_has_the_bias_of_the_next_token() -> None:
    shown = dense(numbered(5, [0] * 4, [0] * 4), AttentionMask(targets=torch.tensor([2])))
    assert shown[2][:2] == shown[3][:2] == [200, 300]
    assert shown[2][2] == shown[3][3] == 400
