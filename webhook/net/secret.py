"""Secrets come from files, never from the configuration itself: a file can be mounted, rotated and kept out of logs."""

from pathlib import Path

from webhook.errors import PermanentError


def read(path: Path, field: str) -> str:
    """The content of *path* without surrounding white space; raises `PermanentError` naming *field* and the path."""
    try:
        content = path.read_text(encoding="utf-8").strip()
    except OSError as fault:
        raise PermanentError(f"{field}: cannot read {path}: {fault.strerror}", reason="secret") from fault
    except UnicodeDecodeError as fault:
        raise PermanentError(f"{field}: {path} is not text", reason="secret") from fault
    if not content:
        raise PermanentError(f"{field}: {path} is empty", reason="secret")
    return content
