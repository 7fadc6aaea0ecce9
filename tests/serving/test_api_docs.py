"""The API's page: everything that it loads comes from the endpoint itself."""

import re

from fastapi.testclient import TestClient

from serving.api import build_api
from serving.settings import AppSettings
from serving.slot import ReleaseSlot


def test_the_page_loads_its_own_script_and_style_and_nothing_from_elsewhere() -> None:
    with TestClient(build_api(ReleaseSlot("replica"), AppSettings()), root_path="/shop") as client:
        page = client.get("/shop/docs").text
        loaded = re.findall(r"(?:src|href)=\"([^\"]+)\"", page)
        assert len(loaded) >= 2
        assert all(address.startswith("/shop/") for address in loaded), loaded
        assert all(client.get(address).status_code == 200 for address in loaded)
        assert "https://" not in page
        assert client.get("/shop/redoc").status_code == 404
