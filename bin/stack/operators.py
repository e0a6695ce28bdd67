"""One-time operators: `make up` and `make drill` mint tokens that expire, and show or use them once."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from webhook.access.operators import add_operator
from webhook.access.principal import Role


def mint(file: Path, roles: Mapping[str, Role], *, lifetime: timedelta) -> dict[str, str]:
    """Give each name of `roles` a new token that expires, replacing what that name had; returns name -> token.

    Only hashes are stored. The names of people who were added by hand, and their tokens, stay as they are.
    """
    document = json.loads(file.read_text(encoding="utf-8"))
    others = [operator for operator in document["operators"] if operator["name"] not in roles]
    fresh = file.with_name(f".{file.name}.tmp")
    fresh.unlink(missing_ok=True)
    fresh.write_text(json.dumps({"operators": others}, indent=2) + "\n", encoding="utf-8")
    fresh.chmod(0o444)
    fresh.replace(file)
    expires_at = datetime.now(UTC) + lifetime
    return {name: add_operator(file, name, role, expires_at) for name, role in roles.items()}
