"""Who may act: the operators' file, where only hashes of tokens are kept.

::

    {"operators": [{"name": "alice", "role": "risk", "token_sha256": "<64 hex>", "expires_at": "2026-12-01T08:00:00Z"}]}

``andon operator add`` mints a token, prints it once and stores its SHA-256.  A token is 256 random bits, so one round
of SHA-256 is enough: there is nothing to guess.
"""

import hashlib
import json
import os
import re
import secrets
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from webhook.access.principal import Principal, Role

ROLES = tuple(role.value for role in Role if role is not Role.INTAKE)
"""The roles a person may have."""

_FIELDS = {"name", "role", "token_sha256", "expires_at"}


class OperatorsError(ValueError):
    """The file cannot be used; ``faults`` holds every reason, without any hash in it."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("; ".join(faults))


@dataclass(frozen=True, slots=True)
class Operator:
    """One person's right to act until ``expires_at`` (None: until removed)."""

    principal: Principal
    token_sha256: str
    expires_at: datetime | None = None


def parse_operators(text: str) -> tuple[Operator, ...]:
    """Read the file's content; raises `OperatorsError` with everything that is wrong in it.

    Names are compared without regard to case and no token may appear twice: two names must be two people.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        line = getattr(error, "lineno", None)
        raise OperatorsError(["is not JSON" + (f" (line {line})" if line else "")]) from None
    entries = document.get("operators") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise OperatorsError(['must be {"operators": [...]}'])
    faults: list[str] = []
    operators: list[Operator] = []
    names: set[str] = set()
    hashes: set[str] = set()
    for index, entry in enumerate(entries):
        try:
            operator = _operator(entry)
        except ValueError as error:
            faults.append(f"operators[{index}] {error}")
            continue
        name = operator.principal.name
        if name.casefold() in names:
            faults.append(f"operators[{index}] has the name {name!r} a second time; two people need two names")
        if operator.token_sha256 in hashes:
            faults.append(f"operators[{index}] ({name}) has the same token as another one; one token is one person")
        names.add(name.casefold())
        hashes.add(operator.token_sha256)
        operators.append(operator)
    if faults:
        raise OperatorsError(faults)
    return tuple(operators)


def token_hash(token: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def add_operator(path: Path, name: str, role: Role, expires_at: datetime | None) -> str:
    """Mint a token for *name*, store its hash in *path* (made when it is not there) and return the token.

    The file is replaced in one step, so that a running service never reads half of it.  An operator of that name whose
    token has expired is replaced; raises `OperatorsError` when the name is taken or the file is not right.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        text = '{"operators": []}'
    present = parse_operators(text)
    now = datetime.now(UTC)
    kept = [one for one in present if one.principal.name.casefold() != name.casefold()]
    taken = [one for one in present if one not in kept and (one.expires_at is None or one.expires_at > now)]
    if taken:
        raise OperatorsError([f"{name!r} is there already; remove that entry first, or choose another name"])
    token = secrets.token_urlsafe(32)
    kept.append(Operator(Principal(name, role), token_hash(token), expires_at))
    content = json.dumps({"operators": [_as_json(one) for one in kept]}, indent=2) + "\n"
    parse_operators(content)
    _replace(path, content)
    return token


def _as_json(operator: Operator) -> dict[str, Any]:
    return {
        "name": operator.principal.name,
        "role": operator.principal.role.value,
        "token_sha256": operator.token_sha256,
        "expires_at": operator.expires_at.isoformat() if operator.expires_at else None,
    }


def _replace(path: Path, content: str) -> None:
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o444
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _operator(entry: object) -> Operator:
    if not isinstance(entry, dict):
        raise ValueError("must be an object")  # noqa: TRY004 - collected with the others
    unknown = sorted(set(entry) - _FIELDS)
    if unknown:
        raise ValueError(f"has unknown fields: {', '.join(map(str, unknown))}")
    name, role, digest = entry.get("name"), entry.get("role"), entry.get("token_sha256")
    if not isinstance(name, str) or not re.fullmatch(r"[\w.@+-]{1,64}", name):
        raise ValueError("needs a name of 1 to 64 letters, digits, '.', '_', '-', '@' or '+'")
    if role not in ROLES:
        raise ValueError(f"({name}) needs a role: {', '.join(ROLES)}")
    if not isinstance(digest, str) or not re.fullmatch(r"[0-9a-fA-F]{64}", digest):
        raise ValueError(f"({name}) needs token_sha256: 64 hex digits, the SHA-256 of the token")
    return Operator(Principal(name, Role(role)), digest.lower(), _expiry(name, entry.get("expires_at")))


def _expiry(name: str, value: object) -> datetime | None:
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        raise ValueError(f"({name}) has an expires_at that is no time like 2026-12-01T08:00:00Z") from None
    if at.tzinfo is None:
        raise ValueError(f"({name}) has an expires_at without time zone; write ...Z or +00:00")
    return at.astimezone(UTC)
