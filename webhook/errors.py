"""The exceptions that cross rooms.  A refusal is a value; only an outage or a fault of ours is an exception."""


class AndonError(Exception):
    """Something went wrong at an edge; ``permanent`` says whether trying again can help."""

    permanent = False

    def __init__(self, message: str, *, reason: str = "error") -> None:
        """*message* is for people and holds no secret; *reason* is a short token, used as a metric label."""
        super().__init__(message)
        self.reason = reason


class TemporaryError(AndonError):
    """An outage: the same call may succeed later; ``retry_after`` is in seconds when the other side named it."""

    def __init__(self, message: str, *, reason: str = "unavailable", retry_after: float | None = None) -> None:
        super().__init__(message, reason=reason)
        self.retry_after = retry_after


class UnknownOutcomeError(TemporaryError):
    """The request may or may not have been applied (a time-out, a reset): ask before believing anything."""

    def __init__(self, message: str, *, reason: str = "timeout") -> None:
        super().__init__(message, reason=reason)


class PermanentError(AndonError):
    """The other side understood and said no, or the request cannot be right: the same call will fail again."""

    permanent = True

    def __init__(self, message: str, *, reason: str = "refused") -> None:
        super().__init__(message, reason=reason)


class StoreOutageError(TemporaryError):
    """The store could not read or write (disk full, read-only, connection lost); nothing of the transaction stands."""

    def __init__(self, message: str, *, reason: str = "store") -> None:
        super().__init__(message, reason=reason)
