"""Dagster's web server, deaf to other sites: run as `python -m orchestration.webserver`, with its options.

Dagster's own executes whatever reaches its GraphQL interface, also from a page of another site that the same browser
has open: such a page needs a single link to roll a release back. It has no login either; docs/operations.md has the
proxy for that.
"""

import os
from urllib.parse import urlsplit

import dagster_webserver.app
from dagster_webserver.cli import main
from dagster_webserver.webserver import DagsterWebserver
from starlette.datastructures import Headers, QueryParams
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from orchestration.environment import UI_HOSTS_VARIABLE

OWN_NAMES = ("127.0.0.1", "localhost", "[::1]")


class Webserver(DagsterWebserver):  # type: ignore[type-arg]
    """Dagster's, behind the two guards."""

    def build_middleware(self) -> list[Middleware]:
        given = [name for name in os.environ.get(UI_HOSTS_VARIABLE, "").split(",") if name]
        # A name that someone else has pointed to this machine would make their page one of ours.
        trusted = Middleware(TrustedHostMiddleware, allowed_hosts=[*OWN_NAMES, *given], www_redirect=False)
        return [trusted, Middleware(OwnPages), *super().build_middleware()]


class OwnPages:
    """Lets through what our own pages ask for, and programs that are not browsers.

    A browser names the page's origin in all that another site's page sends, links and pictures apart; so these, which
    are GET, reach nothing that acts.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and (why := _refused(scope)):
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008, "reason": why})
            else:
                await PlainTextResponse(why, 403)(scope, receive, send)
            return
        await self.app(scope, receive, send)


def _refused(scope: Scope) -> str:
    headers = Headers(scope=scope)
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != headers.get("host"):
        return f"a page of {origin} asked for this, which is not served here: open the UI by its own address"
    if scope["type"] == "http" and scope["method"] == "GET" and scope["path"].rstrip("/").endswith("/graphql"):
        asked = "query" in QueryParams(scope["query_string"])
        return "GraphQL is asked by POST here, because a link must not act" if asked else ""
    return ""


if __name__ == "__main__":
    vars(dagster_webserver.app)["DagsterWebserver"] = Webserver
    main()  # type: ignore[no-untyped-call]
