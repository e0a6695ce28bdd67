"""Secrets come from files; one that is missing, empty or writable by anybody is a fault, told without its content."""

import re
import stat
from pathlib import Path

from webhook.access.operators import OperatorsError, parse_operators, token_hash

MIN_TOKEN = 16
"""Fewest characters of a bearer token; below that it can be guessed."""


def secret_fault(path: Path) -> str | None:  # noqa: PLR0911 - one way to be wrong a line
    """What is wrong with a secret file, with the fix, or None."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return f"{path} does not exist; make it (`make secrets`) or correct the path"
    except OSError as error:
        return f"{path} cannot be reached: {error.strerror or error}"
    if not stat.S_ISREG(status.st_mode):
        return f"{path} is not a file (a missing Compose secret becomes an empty folder: make the file first)"
    if status.st_mode & stat.S_IWOTH:
        return f"{path} may be written by anybody; run: chmod o-w {path}"
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return f"{path} is not UTF-8 text"
    except OSError as error:
        return f"{path} cannot be read by this user: {error.strerror or error}"
    if not text.strip():
        return f"{path} is empty"
    return None


def token_fault(path: Path) -> str | None:
    """`secret_fault`, and that the content is one usable bearer token."""
    fault = secret_fault(path)
    if fault:
        return fault
    token = path.read_text(encoding="utf-8").strip()
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        return f"{path} must hold one token on one line, in plain ASCII without blanks"
    if len(token) < MIN_TOKEN:
        return f"{path} holds a token of {len(token)} characters; use at least {MIN_TOKEN} (32 random ones are good)"
    return None


def operators_fault(path: Path) -> str | None:
    """`secret_fault`, and that the content is a right list of operators."""
    fault = secret_fault(path)
    if fault:
        return fault
    try:
        parse_operators(path.read_text(encoding="utf-8"))
    except OperatorsError as error:
        return f"{path}: {error}"
    return None


def shared_token_fault(token: Path, operators: Path) -> str | None:
    """That nobody acts with the token that Alertmanager has; None also when one of the files has another fault."""
    if token_fault(token) or operators_fault(operators):
        return None
    digest = token_hash(token.read_text(encoding="utf-8").strip())
    for operator in parse_operators(operators.read_text(encoding="utf-8")):
        if operator.token_sha256 == digest:
            return f"{operator.principal.name} has the intake token; mint a token of their own (`andon operator add`)"
    return None
