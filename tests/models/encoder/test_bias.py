import pytest
import torch

from models.batch import request_batch
from models.encoder.bias import RelativeBias, time_bucket, time_buckets
from models.history import Histories

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
    assert time_bucket(torch.tensor([0, 1, -60, 60, 3600, 86_400, 2**31, 10**30 // 10**12])).tolist()[:4] == [
        0,
        0,
        13,
        13,
    ]
    assert time_bucket(torch.tensor([3600, 86_400, 604_800, 2_592_000, 31_536_000, 10**9, 2**31])).tolist() == [
        27, 37, 44, 49, 57, 68, 71,
    ]  # fmt: skip


def test_queries_know_the_time_of_what_comes_next() -> None:
    histories = Histories.of([([1, 2], [0, 10_000])])
    batch = request_batch(histories, [70_000], max_length=8)
    # token 0 looks from second 10, token 1 from the request at second 70
    assert time_buckets(batch)[0].tolist() == [[7, 0], [14, 13]]


def test_position_index_is_on_the_diagonal() -> None:
    bias = RelativeBias(divisor=5)
    with torch.no_grad():
        bias.position.copy_(torch.arange(9.0))
        bias.time.zero_()
    assert bias(torch.zeros(1, 3, 3, dtype=torch.long))[0].tolist() == [[4, 5, 6], [3, 4, 5], [2, 3, 4]]
