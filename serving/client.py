"""A small typed HTTP client of the endpoint."""

from types import TracebackType
from typing import TypeVar

import httpx
from pydantic import BaseModel

from serving.schema import (
    EndpointStatus,
    RecommendationRequest,
    Recommendations,
    SimilarItems,
    SimilarRequest,
    UserVector,
    VectorRequest,
)

Answer = TypeVar("Answer", bound=BaseModel)


class EndpointError(RuntimeError):
    """The endpoint did not answer, or refused; `status_code` is None where it did not answer."""

    def __init__(self, message: str, status_code: int | None = None) -> None:
        super().__init__(message)
        self.status_code = status_code


class WrongEndpoint(EndpointError):
    """Something answers, but not what was asked for: another profile's endpoint, or another version."""


class EndpointClient:
    """Asks one endpoint; keeps its connection open. Close it, or use it in a `with` block.

    Args:
        base_url: Where the application answers, `EndpointSettings.base_url`.
        timeout_s: Seconds to wait for an answer.
    """

    def __init__(self, base_url: str, timeout_s: float = 15.0) -> None:
        self.base_url = base_url.rstrip("/")
        # Proxy settings of the environment are for the outside world, not for a loopback address.
        self._http = httpx.Client(timeout=timeout_s, trust_env=False)

    def recommend(self, request: RecommendationRequest) -> Recommendations:
        """Items for a user or a history."""
        return self._ask("POST", "/v1/recommendations", Recommendations, request)

    def similar(self, request: SimilarRequest) -> SimilarItems:
        """Items close to an item."""
        return self._ask("POST", "/v1/similar", SimilarItems, request)

    def vector(self, request: VectorRequest) -> UserVector:
        """The vector of a user or a history, in the space of the published tables."""
        return self._ask("POST", "/v1/vectors", UserVector, request)

    def status(self) -> EndpointStatus:
        """What one replica serves."""
        return self._ask("GET", "/v1/status", EndpointStatus)

    def require(self, profile: str, version: str | None) -> EndpointStatus:
        """The status, where the endpoint serves `version` of `profile`.

        Raises:
            WrongEndpoint: it serves another profile or version.
        """
        found = self.status()
        if found.profile and found.profile != profile:
            raise WrongEndpoint(
                f"what answers at {self.base_url} belongs to profile {found.profile}, not {profile}: give one of the "
                "two another endpoint.port or endpoint.route_prefix"
            )
        if found.version != version:
            raise WrongEndpoint(
                f"the endpoint at {self.base_url} serves version {found.version}, but champion of profile {profile} is "
                f"{version or 'none yet'}: materialize 'endpoint'"
            )
        return found

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> "EndpointClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, method: str, path: str, answer: type[Answer], body: BaseModel | None = None) -> Answer:
        url = self.base_url + path
        try:
            response = self._http.request(
                method, url, json=body.model_dump(mode="json", exclude_defaults=True) if body else None
            )
        except httpx.HTTPError as error:
            raise EndpointError(
                f"the endpoint at {self.base_url} does not answer ({type(error).__name__}: {error})"
            ) from error
        if response.is_error:
            raise EndpointError(
                f"{method} {url} was refused with {response.status_code}: {_reason(response)}", response.status_code
            )
        try:
            return answer.model_validate_json(response.content)
        except ValueError as error:
            raise EndpointError(f"{url} does not answer as this endpoint does: {error}") from error


def _reason(response: httpx.Response) -> str:
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return response.text.strip()[:500] or response.reason_phrase
