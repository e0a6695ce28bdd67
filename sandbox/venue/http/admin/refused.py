"""An admin request's answer, and its refusal."""

from typing import Any

Answer = tuple[Any, int]
"""What is answered, as JSON, and the status."""


class AdminError(Exception):
    """An admin request that cannot be done; the message says why."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status
