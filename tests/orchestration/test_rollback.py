"""What happens to a champion at a real endpoint: it answers, it does not load, it is rolled back, and what is shown."""

from pathlib import Path

import dagster as dg
import pytest

from assets.endpoint.rollout import deploy_champion
from assets.release.gate import decide
from assets.release.record import record
from assets.release.settings import ReleaseSettings
from assets.resources import RayCluster, Storage
from assets.versions import VersionMissing, artifacts_of, releases_of
from models.evaluation.report import Contestant
from orchestration.jobs import rollback
from serving.client import EndpointClient
from serving.deploy import DeployError
from serving.ports import free_port
from serving.schema import RecommendationRequest
from serving.settings import EndpointSettings
from storage.lake import Lake
from tests.assets.release.nights import START, evaluated
from tests.serving.test_cluster import dashboard
from tests.serving.world import World

__all__ = ["dashboard"]

pytestmark = pytest.mark.cluster


def shown(instance: dg.DagsterInstance, asset: str) -> dict[str, object]:
    event = instance.get_latest_materialization_event(dg.AssetKey(asset))
    assert event
    assert event.asset_materialization
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}


def test_the_log_the_endpoint_and_the_ui_agree_on_who_serves(dashboard: str, tmp_path: Path) -> None:
    world, lake = World(tmp_path), Lake(str(tmp_path))
    endpoint = EndpointSettings(port=free_port(), deploy_timeout_s=120)
    releases = releases_of(lake)
    world.simple("a", "popularity")
    for number, version in enumerate("bc"):
        world.release(version, seed=number)

    def deployed() -> str | None:
        return deploy_champion(lake, "shop", endpoint, dashboard).version

    def served() -> str | None:
        with EndpointClient(endpoint.base_url) as client:
            return client.status().version

    def family() -> str:
        """Which family answers a request just now."""
        with EndpointClient(endpoint.base_url) as client:
            return client.recommend(RecommendationRequest(user_id=100, k=3)).family

    releases.promote("gone", "looked best")
    with pytest.raises(VersionMissing, match="version gone is not in"):
        deployed()
    (artifacts_of(lake) / "c" / "model.safetensors").unlink()
    releases.promote("c", "looked best")
    with pytest.raises(DeployError, match="version c was not loaded, nothing is served"):
        deployed()
    assert releases.champion() is None

    hstu, floor = (Contestant(version=v, family=f, created=START) for v, f in (("b", "hstu"), ("a", "popularity")))
    refused = evaluated({"hstu": hstu, "popularity": floor}, {"time": [0.1, 0.2]})
    record(releases, decide(refused, None, ReleaseSettings()), None)
    assert (deployed(), family()) == ("a", "popularity")
    earned = evaluated({"hstu": hstu, "champion": floor}, {"time": [0.2, 0.1]}, incumbent=floor)
    record(releases, decide(earned, "a", ReleaseSettings()), "a")
    assert (deployed(), family()) == ("b", "hstu")
    assert deployed() == "b"
    releases.promote("c", "beats b")
    with pytest.raises(DeployError, match=r"version c was not loaded, b keeps serving: .*; b is champion again"):
        deployed()
    releases.promote("gone", "beats b")
    with pytest.raises(DeployError, match=r"version gone is not in .*; b is champion again"):
        deployed()
    assert (releases.champion(), releases.previous(), served()) == ("b", "a", "b")
    told = [row for row in releases.log().select("action", "version").rows() if row[0] in ("serve", "fail")]
    fallen, answered = [("fail", "c"), ("fail", "gone")], [("serve", "a"), ("serve", "b")]
    assert told == [*reversed(fallen), *answered, *fallen]

    with dg.instance_for_test() as instance:
        resources = {
            "lake": Storage(root=lake.root, profile="shop"),
            "endpoint": endpoint,
            "ray": RayCluster(dashboard=dashboard),
        }
        config = {"ops": {"put_previous_champion_back": {"config": {"reason": "worse online"}}}}
        assert rollback.execute_in_process(config, instance=instance, resources=resources).success
        assert (releases.champion(), served(), family()) == ("a", "a", "popularity")
        assert (shown(instance, "release")["champion"], shown(instance, "release")["reason"]) == ("a", "worse online")
        assert shown(instance, "release")["family"] == shown(instance, "endpoint")["family"] == "popularity"
        assert shown(instance, "endpoint")["version"] == "a"
        assert "is recommended" in str(shown(instance, "endpoint")["example"])
        again = rollback.execute_in_process(config, instance=instance, resources=resources, raise_on_error=False)
        assert not again.success
        assert (releases.champion(), served()) == ("a", "a")
