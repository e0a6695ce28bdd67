"""Speaks with the service's API, and with whatever else the command line reads over HTTP: no redirects, no proxies.

A token is sent to the one address it was given for and nowhere else.
"""

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlencode


class UnreachableError(Exception):
    """Nothing (or nothing that speaks HTTP) answers there; the message says what was tried."""


class AnswerError(Exception):
    """It answered, and said no; ``code`` is the problem's short token."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.code = status, code


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class Client:
    """One address and the token for it; *timeout* is in seconds, for each request."""

    def __init__(
        self, url: str, *, token: str | None = None, timeout: float = 10.0, ca_file: Path | None = None
    ) -> None:
        self.url = url.rstrip("/")
        if not self.url.startswith(("http://", "https://")):
            raise UnreachableError(f"{url!r} is not an address like http://127.0.0.1:8700")
        self._token, self._timeout = token, timeout
        handlers: list[Any] = [urllib.request.ProxyHandler({}), _NoRedirect()]
        if ca_file is not None:
            handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(ca_file))))
        self._opener = urllib.request.build_opener(*handlers)

    def get(self, path: str, **query: object) -> Any:
        """The JSON that *path* answers."""
        given = {name: value for name, value in query.items() if value is not None}
        return self._json("GET", path + (f"?{urlencode(given)}" if given else ""))

    def post(self, path: str, body: Mapping[str, object] | None = None) -> Any:
        """Send *body* as JSON; the JSON of the answer."""
        return self._json("POST", path, body)

    def delete(self, path: str) -> Any:
        """Take something away; the JSON of the answer."""
        return self._json("DELETE", path)

    def text(self, path: str) -> str:
        """What *path* answers, as it is."""
        return self._send("GET", path, None).decode("utf-8", "replace")

    def _json(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        answer = self._send(method, path, None if body is None else json.dumps(body).encode())
        try:
            return json.loads(answer)
        except ValueError:
            raise UnreachableError(f"{self.url} answers, but not as Andon does: is the address right?") from None

    def _send(self, method: str, path: str, body: bytes | None) -> bytes:
        headers = {"Accept": "application/json, text/plain;q=0.9", "User-Agent": "andon-cli"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(self.url + path, data=body, headers=headers, method=method)  # noqa: S310 - checked above
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                content: bytes = response.read()
                return content
        except urllib.error.HTTPError as error:
            raise _refused(error, self.url + path) from None
        except (urllib.error.URLError, OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise UnreachableError(f"{self.url} does not answer: {reason}") from None
        except HTTPException as error:
            raise UnreachableError(f"{self.url} does not answer in HTTP: {type(error).__name__}") from None


def _refused(error: urllib.error.HTTPError, url: str) -> AnswerError:
    code, detail = "http", f"{url} answered {error.code} {error.reason}"
    try:
        problem = json.loads(error.read())
        code, detail = str(problem["code"]), str(problem["detail"])
    except (ValueError, KeyError, TypeError, OSError):
        pass
    return AnswerError(error.code, code, detail)
