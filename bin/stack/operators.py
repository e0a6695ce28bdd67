"""Operator tokens: the person gets the token once, secrets/operators.json keeps only its hash."""

import hashlib
import json
import os
import re
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from bin.stack.services import SetupError

ROLES = ("viewer", "trader", "risk", "admin")


def refuse_bad_name(name: str) -> None:
    """Raise SetupError unless the name can stand in a journal and a log line."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", name):
        raise SetupError("A name is 1 to 64 of a-z, 0-9, dot, dash and underscore: make token NAME=alice ROLE=risk")


def mint(file: Path, roles: Mapping[str, str], *, now: datetime, lifetime: timedelta | None) -> dict[str, str]:
    """Give each name of `roles` (name -> role) a new token, replacing what that name had; returns name -> token.

    Tokens that have expired are dropped from the file on the way. `lifetime` None means the token never expires.
    """
    document = json.loads(file.read_text()) if file.exists() else {}
    kept = [
        operator
        for operator in document.get("operators", [])
        if operator["name"] not in roles and not _expired(operator.get("expires_at"), now)
    ]
    tokens = {name: f"andon_{secrets.token_urlsafe(32)}" for name in roles}
    minted = [
        {
            "name": name,
            "role": roles[name],
            "token_sha256": hashlib.sha256(token.encode()).hexdigest(),
            "expires_at": None if lifetime is None else (now + lifetime).isoformat(),
        }
        for name, token in tokens.items()
    ]
    _replace(file, json.dumps({"operators": [*kept, *minted]}, indent=2) + "\n")
    return tokens


def _expired(expires_at: str | None, now: datetime) -> bool:
    return expires_at is not None and datetime.fromisoformat(expires_at) <= now


def _replace(file: Path, text: str) -> None:
    """Write the whole file or nothing: a reader never sees half of it."""
    fresh = file.with_name(f".{file.name}.tmp")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444), "w") as stream:
        stream.write(text)
    fresh.replace(file)
