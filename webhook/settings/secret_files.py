"""Secrets come from files; one that is missing, empty or writable by anybody is a fault, told without its content."""

import json
import re
import stat
from pathlib import Path

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


def json_fault(path: Path) -> str | None:
    """`secret_fault`, and that the content is JSON."""
    fault = secret_fault(path)
    if fault:
        return fault
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        line = getattr(error, "lineno", None)
        return f"{path} is not JSON" + (f" (line {line})" if line else "")
    return None
