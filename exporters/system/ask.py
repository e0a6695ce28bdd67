"""One GET with a time limit and a bound on the answer; what went wrong is said in one word."""

import http.client
import socket
import ssl
import time
from typing import Final
from urllib.parse import SplitResult

REASONS: Final = ("dns", "refused", "timeout", "tls", "reset", "status", "body", "other")
_MAX_BODY: Final = 1 << 20


class AskError(Exception):
    """No good answer; ``reason`` is one of REASONS."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def open_connection(url: SplitResult, timeout: float) -> tuple[http.client.HTTPConnection, float]:
    """A connection and the seconds its TCP handshake took; raises AskError."""
    host = url.hostname or ""
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError:
        raise AskError("dns") from None
    plain = socket.socket(family, kind, protocol)
    try:
        plain.settimeout(timeout)
        began = time.perf_counter()
        plain.connect(address)
        took = time.perf_counter() - began
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = http.client.HTTPConnection(host, port, timeout=timeout)
        connection.sock = (
            ssl.create_default_context().wrap_socket(plain, server_hostname=host) if url.scheme == "https" else plain
        )
    except BaseException as fault:
        plain.close()
        if isinstance(fault, OSError):
            raise AskError(_reason(fault)) from None
        raise
    return connection, took


def get(connection: http.client.HTTPConnection, path: str, host_header: str) -> bytes:
    """The body of a 200; raises AskError."""
    try:
        connection.request("GET", path, headers={"Host": host_header, "Accept": "*/*"})
        answer = connection.getresponse()
        body = answer.read(_MAX_BODY)
        answer.close()
    except (OSError, http.client.HTTPException) as fault:
        raise AskError(_reason(fault)) from None
    if answer.status != http.HTTPStatus.OK:
        raise AskError("status")
    return body


def fetch(url: SplitResult, timeout: float) -> bytes:
    """Connect, GET *url*, hang up; raises AskError."""
    connection, _ = open_connection(url, timeout)
    try:
        return get(connection, url.path or "/", url.netloc)
    finally:
        connection.close()


def _reason(fault: Exception) -> str:
    reasons: tuple[tuple[type[Exception], str], ...] = (
        (TimeoutError, "timeout"),
        (ConnectionRefusedError, "refused"),
        (ssl.SSLError, "tls"),
        (ConnectionError, "reset"),
        (http.client.HTTPException, "body"),
    )
    return next((reason for kind, reason in reasons if isinstance(fault, kind)), "other")
