"""The Ray Serve application: one ingress deployment that owns model, histories and catalogue, without further hops."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from fastapi import FastAPI
from ray import serve
from ray.serve import Application

from serving.api import build_api
from serving.priority import yield_to_proxy
from serving.settings import DEPLOYMENT, AppSettings
from serving.slot import ReleaseSlot


@serve.deployment(name=DEPLOYMENT)
@serve.ingress()
class Endpoint:
    """One replica. Serve calls `reconfigure` with the release to serve, at the start and whenever it changes."""

    def __init__(self, settings: AppSettings) -> None:
        torch.set_num_threads(settings.torch_threads)
        yield_to_proxy()
        self.settings = settings
        self.slot = ReleaseSlot(serve.get_replica_context().replica_id.unique_id)
        self.loader = ThreadPoolExecutor(1, thread_name_prefix="loader")

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Loads a release off the event loop and swaps it in; see `ReleaseSlot.replace` for why it never raises.

        A new replica gets no traffic before its first release is loaded. Later ones load in the background: while a
        replica reconfigures, Serve does not count it as running, and a long load would starve a router of replicas.
        """
        loading = asyncio.get_running_loop().run_in_executor(self.loader, self.slot.replace, user_config)
        if self.slot.empty:
            await loading

    def __serve_build_asgi_app__(self) -> FastAPI:
        return build_api(self.slot, self.settings)


def build(arguments: AppSettings) -> Application:
    """What the declarative configuration names as its import path."""
    return Endpoint.bind(arguments)  # type: ignore[attr-defined]
