import pytest
import torch

from models.config import ItemTowerConfig
from models.items import ItemTower


@pytest.mark.parametrize("number", [torch.nan, torch.inf, -torch.inf])
def test_content_that_is_not_finite_names_the_row(number: float) -> None:
    content = torch.ones(5, 3)
    ItemTower(ItemTowerConfig(content_dim=3), 4, trained=2, content=content)
    content[3, 1] = number
    with pytest.raises(ValueError, match="the content embedding of item row 3 is not finite"):
        ItemTower(ItemTowerConfig(content_dim=3), 4, trained=2, content=content)


def test_content_of_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match="2 wide, but the model is configured for 3"):
        ItemTower(ItemTowerConfig(content_dim=3), 4, trained=2, content=torch.ones(5, 2))
