"""How a request to the venue fails, and what is known then."""

from enum import StrEnum


class Failure(StrEnum):
    """What a failed request means for whoever sent it."""

    REFUSED = "refused"
    """The venue said no, and nothing was done."""
    NOT_FOUND = "not_found"
    """There is no such order."""
    LIMITED = "limited"
    """Too many requests: nothing was done, and the next must wait."""
    CLOCK = "clock"
    """Our timestamp was refused: nothing was done; `learn_clock` helps."""
    UNKNOWN = "unknown"
    """No answer that can be trusted: it may have been done, or not."""


class VenueError(Exception):
    """A request failed; ``code`` is a short token (the venue's number, or an HTTP status), never a secret."""

    def __init__(self, failure: Failure, code: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.failure = failure
        self.code = code
        self.retry_after = retry_after
