"""The HTTP interface: routes, and errors as one readable sentence."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException

from serving.admission import Admission
from serving.limits import RETRY_AFTER_S, JsonOnly
from serving.recommend import NotKnown, NotOffered, recommend, similar_items, user_vector
from serving.schema import (
    EndpointStatus,
    Health,
    Problem,
    RecommendationRequest,
    Recommendations,
    SimilarItems,
    SimilarRequest,
    UserVector,
    VectorRequest,
)
from serving.settings import AppSettings
from serving.slot import NotLoaded, ReleaseSlot

Answer = TypeVar("Answer")

DESCRIPTION = """Recommendations by the champion of the release log.

A user without history is answered by popularity, and `source` and `reason` say so. Every error has a `detail`."""

REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "The body is not JSON."},
    404: {"model": Problem, "description": "The item or category is not known; of vectors: nothing of the user is."},
    408: {"model": Problem, "description": "The body did not arrive in time, or the answer took too long."},
    409: {
        "model": Problem,
        "description": "The version that is served cannot tell: of popularity no item is like another, and no user has "
        "a vector.",
    },
    413: {"model": Problem, "description": "The body is too long."},
    415: {"model": Problem, "description": "The body is not declared as JSON."},
    422: {"model": Problem, "description": "A field is missing, unknown, of the wrong type or out of range."},
    500: {"model": Problem, "description": "A fault of the endpoint, which its log describes."},
    503: {
        "model": Problem,
        "description": "No release is loaded yet, too many requests are waiting, or the replica that was asked died. "
        "The header `Retry-After` says when to try again.",
    },
}


def build_api(slot: ReleaseSlot, settings: AppSettings) -> FastAPI:
    """The application that answers from whatever `slot` holds at the time of a request."""
    # Pages of the API that load nothing from elsewhere; Redoc's would, its logo.
    api = FastAPIOffline(
        redoc_url=None,
        title="genrec",
        version="1",
        description=DESCRIPTION,
        swagger_ui_parameters={"validatorUrl": None},
    )
    api.add_middleware(
        Admission,
        settings=settings.admission,
        body_limit_bytes=settings.body_limit_bytes,
        body_deadline_s=settings.body_deadline_s,
    )
    api.add_middleware(JsonOnly)
    add_error_answers(api)
    add_routes(api, slot, ThreadPoolExecutor(settings.scoring_threads, thread_name_prefix="scoring"))
    return api


def add_routes(api: FastAPI, slot: ReleaseSlot, scoring: ThreadPoolExecutor) -> None:
    async def off_the_loop(work: Callable[..., Answer], *arguments: object) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(scoring, work, *arguments)

    @api.post("/v1/recommendations", responses=REFUSALS, summary="Items for a user or a history")
    async def recommendations(request: RecommendationRequest) -> Recommendations:
        return await off_the_loop(recommend, slot.get(), request, now_ms(), slot.count_failure)

    @api.post("/v1/similar", responses=REFUSALS, summary="Items close to an item")
    async def similar(request: SimilarRequest) -> SimilarItems:
        return await off_the_loop(similar_items, slot.get(), request, now_ms())

    @api.post("/v1/vectors", responses=REFUSALS, summary="The vector of a user or a history")
    async def vectors(request: VectorRequest) -> UserVector:
        return await off_the_loop(user_vector, slot.get(), request, now_ms())

    @api.get("/v1/status", summary="What is served, and what should be")
    async def status() -> EndpointStatus:
        return slot.status()

    @api.get("/healthz", responses={503: REFUSALS[503]}, summary="Whether requests can be answered")
    async def healthz() -> Health:
        slot.get()
        return Health()


def add_error_answers(api: FastAPI) -> None:
    @api.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return JSONResponse({"detail": sentence(error)}, status_code=422)

    @api.exception_handler(NotKnown)
    async def not_known(_: Request, error: NotKnown) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status_code=404)

    @api.exception_handler(NotOffered)
    async def not_offered(_: Request, error: NotOffered) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status_code=409)

    @api.exception_handler(NotLoaded)
    async def not_loaded(_: Request, error: NotLoaded) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status_code=503, headers={"retry-after": str(RETRY_AFTER_S)})

    @api.exception_handler(HTTPException)
    async def no_such_route(request: Request, error: HTTPException) -> JSONResponse:
        detail = f"{request.method} {request.url.path}: {error.detail}; /docs lists what there is"
        return JSONResponse({"detail": detail}, status_code=error.status_code, headers=error.headers)

    @api.exception_handler(Exception)
    async def unexpected(_: Request, error: Exception) -> JSONResponse:
        detail = f"the endpoint failed on this request ({type(error).__name__}): its log says more"
        return JSONResponse({"detail": detail}, status_code=500)


def sentence(error: RequestValidationError) -> str:
    """What is wrong with which fields. The input itself is not repeated: it may be long, or not valid text."""
    problems = []
    for problem in error.errors():
        field = ".".join(str(part) for part in problem["loc"] if part != "body") or "body"
        problems.append(f"{field}: {problem['msg'].removeprefix('Value error, ')}")
    return "; ".join(dict.fromkeys(problems)).encode("ascii", "backslashreplace").decode()


def now_ms() -> int:
    return time.time_ns() // 1_000_000
