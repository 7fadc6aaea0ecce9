"""What Serve itself costs: a deployment that answers at once."""

from ray import serve
from starlette.requests import Request


@serve.deployment(name="Noop")
class Noop:
    """Reads the body, as an endpoint must, and answers with two letters."""

    async def __call__(self, request: Request) -> str:
        await request.body()
        return "ok"


app = Noop.bind()  # type: ignore[attr-defined]
