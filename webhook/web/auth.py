"""Who asks: a bearer token becomes a `Principal`, compared in constant time, from files read again when they change.

A file that becomes unreadable or wrong while the service runs keeps its last good content, loudly: half a written
file must not take the cord out of everybody's hands.
"""

import hashlib
import hmac
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import structlog
from flask import g, request

from webhook.access.operators import Operator, parse_operators, token_hash
from webhook.access.principal import Principal, Role
from webhook.access.roles import Verb, may
from webhook.clock import Clock
from webhook.settings import Settings
from webhook.web.errors import Problem

log = structlog.get_logger(__name__)

ALERTMANAGER = Principal("alertmanager", Role.INTAKE)
_MAX_HEADER = 4096

T = TypeVar("T")


class WatchedFile(Generic[T]):
    """A file's content, parsed; looked at for changes with each `get`, which costs one ``stat``."""

    def __init__(self, path: Path, parse: Callable[[str], T]) -> None:
        """Read it; raises whatever *parse* or the system says: a service does not start on a broken file."""
        self.path = path
        self.fault: str | None = None
        self._parse = parse
        self._lock = threading.Lock()
        self._seen = self._mark()
        self._value = parse(path.read_text(encoding="utf-8"))

    def get(self) -> T:
        """The newest content that could be read."""
        mark = self._mark()
        if mark != self._seen:
            with self._lock:
                if mark != self._seen:
                    self._read(mark)
        return self._value

    def _read(self, mark: tuple[int, ...] | None) -> None:
        self._seen = mark
        try:
            self._value = self._parse(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            self.fault = f"{self.path} cannot be used ({error}); what it held before still counts"
            log.error("credentials.unusable", path=str(self.path), error=str(error))  # noqa: TRY400 - no trace needed
        else:
            self.fault = None
            log.info("credentials.reloaded", path=str(self.path))

    def _mark(self) -> tuple[int, ...] | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Lets the right ones through; everybody else hears 401 (nobody we know) or 403 (not for you)."""

    intake_digest: WatchedFile[bytes]
    operators: WatchedFile[tuple[Operator, ...]]
    clock: Clock

    @classmethod
    def of(cls, settings: Settings, clock: Clock) -> "Authenticator":
        """Read both files; raises `OSError` or `ValueError` when one cannot be used."""
        return cls(
            WatchedFile(settings.intake.token_file, _intake_digest),
            WatchedFile(settings.access.operators_file, parse_operators),
            clock,
        )

    def intake(self) -> Principal:
        """The caller, when it is Alertmanager."""
        principal = self._known()
        if principal.role is not Role.INTAKE:
            raise Problem(
                403,
                "forbidden",
                "this endpoint is for Alertmanager's own token; to trip by hand use POST /api/v1/trips",
            )
        return principal

    def operator(self) -> Principal:
        """The caller, when it is a person who may at least read."""
        principal = self._known()
        if not may(principal.role, Verb.READ):
            raise Problem(
                403, "forbidden", "the intake token delivers alerts and nothing else; use an operator's token"
            )
        return principal

    def faults(self) -> dict[str, str]:
        """What is wrong with the files, by name."""
        files: dict[str, WatchedFile[bytes] | WatchedFile[tuple[Operator, ...]]] = {
            "intake_token_file": self.intake_digest,
            "operators_file": self.operators,
        }
        return {name: file.fault for name, file in files.items() if file.fault}

    def _known(self) -> Principal:
        token = _bearer()
        digest = token_hash(token)
        # Every entry is compared, so that the time says nothing about which one came close.
        intake = hmac.compare_digest(digest.encode(), self.intake_digest.get())
        found = [one for one in self.operators.get() if hmac.compare_digest(digest, one.token_sha256)]
        if intake:
            principal = ALERTMANAGER
        elif not found:
            raise _unauthorised("unauthorised", "this token is not known")
        elif found[0].expires_at is not None and found[0].expires_at <= self.clock.now():
            raise _unauthorised("token_expired", "this token has expired; ask for a new one (`andon operator add`)")
        else:
            principal = found[0].principal
        g.principal = principal
        return principal


def _intake_digest(text: str) -> bytes:
    token = text.strip()
    if not token:
        raise ValueError("it is empty")
    return hashlib.sha256(token.encode()).hexdigest().encode()


def _bearer() -> str:
    header = request.headers.get("Authorization", "")
    scheme, _, token = header.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or len(header) > _MAX_HEADER:
        raise _unauthorised("unauthorised", "send the header: Authorization: Bearer <token>")
    return token


def _unauthorised(code: str, detail: str) -> Problem:
    return Problem(401, code, detail, headers={"WWW-Authenticate": 'Bearer realm="andon"'})
