"""Each column says once whether it is known at the request or only after the action."""

import pytest

from assets.sources.files_settings import EventFilesSettings
from models.columns import ACTIONS, ITEM_ID, TIMESTAMP, USER_ID
from models.known import CONTRACT, declared


def test_every_column_of_the_contract_says_when_it_is_known() -> None:
    who_what_and_when = {USER_ID, ITEM_ID, TIMESTAMP}
    assert set(EventFilesSettings.contract) - who_what_and_when <= set(CONTRACT)


def test_a_profile_adds_its_own_columns_and_changes_none_of_the_contract() -> None:
    known = declared({"device": "request", "scrolled": "outcome", "surface": "request"})
    assert known == {**CONTRACT, "device": "request", "scrolled": "outcome"}
    with pytest.raises(ValueError, match=r"'actions' .* request, .* outcome: give your own column another name"):
        declared({ACTIONS: "request"})
