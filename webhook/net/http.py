"""The one HTTP client that edges share.

What it adds to ``requests``: a deadline over the whole call (name lookup and a body that drips included), a limit on
the size of answers, no redirects, no ``.netrc``, and errors that say whether the request can have been applied:
`TemporaryError` when nothing was sent, `UnknownOutcomeError` when it went out and no trustworthy answer came back.
Messages name the host and never the path, a header or a secret.
"""

import threading
import time
from collections.abc import Iterable, Mapping
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.utils import get_environ_proxies
from urllib3.exceptions import HTTPError

from webhook.errors import PermanentError, TemporaryError, UnknownOutcomeError
from webhook.net.attempt import Answer, Attempt, WatchedAdapter, working_on

__all__ = ["Answer", "Outbound", "describe"]

MAX_ANSWER_BYTES = 1 << 20
_EXCERPT = 200
_BAD_REQUEST = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidHeader,
    UnicodeEncodeError,
)


class Outbound:
    """One client for one other side; safe to use from several threads, each call on a connection of its own.

    ``secrets`` are replaced in every message.  ``verify`` is True, False or the path of a CA bundle.
    """

    def __init__(
        self,
        name: str,
        *,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        secrets: Iterable[str] = (),
        verify: bool | str = True,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        connections: int = 16,
    ) -> None:
        self.name = name
        self._headers = {"User-Agent": "andon", "Accept": "application/json", **(headers or {})}
        self._auth = auth
        self._secrets = tuple(secret for secret in secrets if secret)
        self._verify = verify
        self._max_answer_bytes = max_answer_bytes
        self._session = requests.Session()
        # Without this, requests would read .netrc and could replace our Authorization header.
        self._session.trust_env = False
        adapter = WatchedAdapter(pool_connections=4, pool_maxsize=connections, max_retries=0)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def request(
        self,
        method: str,
        url: str,
        *,
        timeout: float,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool = True,
    ) -> Answer:
        """Send one request, ``body`` as JSON, and return the answer whatever its status.

        ``timeout`` (seconds) bounds everything.  An *idempotent* request that met a kept-alive connection the other
        side had just closed is sent once more.  Raises `PermanentError` for a URL that cannot be requested,
        `TemporaryError` when nothing was sent, `UnknownOutcomeError` when something was and no whole answer came.
        """
        deadline = time.monotonic() + timeout
        host = describe(url)
        while True:
            attempt = Attempt()
            left = deadline - time.monotonic()
            if left <= 0:
                raise TemporaryError(f"{self.name}: no time left to ask {host}", reason="timeout")
            arguments = (attempt, method, url, body, headers, left)
            threading.Thread(target=self._work, args=arguments, name=f"outbound-{self.name}", daemon=True).start()
            if not attempt.done.wait(left):
                attempt.abandon()
            # What arrives once we hung up is cut off: it may look whole.
            if attempt.answer is not None and not attempt.abandoned:
                return attempt.answer
            if not (idempotent and _stale(attempt)):
                raise self._translate(attempt, host, timeout)
            idempotent = False

    def redact(self, text: str) -> str:
        """*text* without our secrets."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def excerpt(self, answer: Answer) -> str:
        """The start of an answer's body, fit for a message: one line, short, without our secrets."""
        text = " ".join(answer.body[: _EXCERPT * 4].decode("utf-8", errors="replace").split())
        return self.redact(text)[:_EXCERPT] or "(empty)"

    def close(self) -> None:
        """Close the kept-alive connections."""
        self._session.close()

    def _work(
        self, attempt: Attempt, method: str, url: str, body: Any, headers: Mapping[str, str] | None, left: float
    ) -> None:
        working_on.attempt = attempt
        started = time.monotonic()
        try:
            with self._session.request(
                method,
                url,
                json=body,
                headers={**self._headers, **(headers or {})},
                auth=self._auth,
                timeout=left,
                allow_redirects=False,
                stream=True,
                verify=self._verify,
                proxies=get_environ_proxies(url, no_proxy=None),
            ) as response:
                content = self._read(response)
                attempt.answer = Answer(
                    response.status_code,
                    {name.lower(): value for name, value in response.headers.items()},
                    content,
                    time.monotonic() - started,
                )
        except (requests.RequestException, HTTPError, HTTPException, OSError, ValueError, _TooLargeError) as fault:
            attempt.fault = fault
        finally:
            attempt.done.set()

    def _read(self, response: requests.Response) -> bytes:
        content = bytearray()
        for chunk in response.iter_content(65536):
            content += chunk
            if len(content) > self._max_answer_bytes:
                raise _TooLargeError
        return bytes(content)

    def _translate(self, attempt: Attempt, host: str, timeout: float) -> Exception:
        """Say in our words what happened; the original is left out because its text holds the whole URL."""
        fault = attempt.fault
        if isinstance(fault, _BAD_REQUEST):
            return PermanentError(f"{self.name}: the URL or a header for {host} is not valid", reason="bad_request")
        late = fault is None or isinstance(fault, requests.Timeout) or attempt.abandoned
        if attempt.sent:
            if isinstance(fault, _TooLargeError):
                told, reason = f"answered more than {self._max_answer_bytes} bytes", "too_large"
            elif late:
                told, reason = f"did not answer within {timeout:g} s", "timeout"
            else:
                told, reason = "closed the connection", "connection_lost"
            return UnknownOutcomeError(f"{self.name}: {host} {told}", reason=reason)
        if isinstance(fault, requests.exceptions.SSLError):
            told, reason = "no trusted TLS connection to", "tls"
        elif late:
            told, reason = f"no connection within {timeout:g} s to", "timeout"
        else:
            told, reason = "cannot connect to", "unreachable"
        return TemporaryError(f"{self.name}: {told} {host}", reason=reason)


class _TooLargeError(Exception):
    """The answer passed the limit."""


def _stale(attempt: Attempt) -> bool:
    """Whether the request met a connection from the pool that was closed before a single byte came back."""
    return attempt.reused and not attempt.abandoned and isinstance(attempt.fault, requests.ConnectionError)


def describe(url: str) -> str:
    """Scheme, host and port of *url*: what a message may show; a path or user part may be a secret."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "(an invalid URL)"
    return f"{parts.scheme}://{parts.hostname or ''}{port}"
