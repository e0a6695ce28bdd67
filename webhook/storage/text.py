"""Text that every database can hold, and every index."""

import hashlib

_LONGEST_KEY = 200


def plain_text(text: str) -> str:
    """Replace what neither database can hold (NUL, lone surrogates): a strange byte must not stop a kill."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def short_key(key: str) -> str:
    """The key itself, or for a very long one its beginning and a hash: PostgreSQL indexes no value above 2.7 kB."""
    key = plain_text(key)
    if len(key) <= _LONGEST_KEY:
        return key
    return f"{key[: _LONGEST_KEY - 17]}#{hashlib.sha256(key.encode()).hexdigest()[:16]}"
