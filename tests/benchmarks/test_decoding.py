"""The full softmax that cheap decoding is measured against computes what PyTorch's does."""

import torch
import torch.nn.functional as F

from benchmarks.decoding import SMOKE, TEMPERATURE, Decoding


def test_the_full_softmax_is_that_of_pytorch_with_its_gradients() -> None:
    decoding = Decoding(SMOKE[0])
    loss, by_query, by_table = decoding.full_step()
    count = SMOKE[0].full
    queries = (decoding.states[:count].detach() / TEMPERATURE).requires_grad_()
    expected = F.cross_entropy(queries @ decoding.table.T, decoding.labels.item_index[:count])
    expected.backward()
    assert queries.grad is not None
    assert decoding.table.grad is not None
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(by_query, queries.grad)
    torch.testing.assert_close(by_table, decoding.table.grad)
