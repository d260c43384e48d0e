"""Answers of the API that are not 200: one form for all of them, with nothing in it of what was sent."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from starlette.responses import Response

_HEADERS = {"Cache-Control": "no-store"}


def json_response(status: int, content: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer that nothing on the way may store."""
    return Response(orjson.dumps(content), status, {**_HEADERS, **(headers or {})}, "application/json")


class Problem(Exception):
    """Why a request is refused: a code for programs, a sentence for people, and what was expected, by field."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        fields: Mapping[str, str] | None = None,
        regions: Mapping[str, str] | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(code)
        self.status = status
        self._retry_after = retry_after
        self._content: dict[str, Any] = {"error": {"code": code, "message": message}}
        if fields:
            self._content["error"]["fields"] = fields
        if regions:
            self._content["regions"] = regions

    def response(self) -> Response:
        """The HTTP answer."""
        headers = {}
        if self.status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        if self._retry_after is not None:
            headers["Retry-After"] = str(self._retry_after)
        if self.status in {HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.REQUEST_TIMEOUT}:
            headers["Connection"] = "close"
        return json_response(self.status, self._content, headers)


def problem_of(status: int) -> Problem:
    """The problem for a request that none of our handlers takes: no such path or method."""
    words = HTTPStatus(status)
    return Problem(status, words.name.lower(), f"{words.phrase}.")
