"""What the venue refuses, with Binance's HTTP status, code and message."""


class Refused(Exception):  # noqa: N818  # it is an answer to the client, not a fault of ours
    """A request that gets `{"code": code, "msg": message}` with the given HTTP status."""

    def __init__(self, code: int, message: str, *, status: int = 400, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.retry_after = retry_after


def missing(name: str) -> Refused:
    """A parameter that must be there is not, is empty or cannot be read."""
    return Refused(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def unknown_order() -> Refused:
    """Cancel of an order that is not open."""
    return Refused(-2011, "Unknown order sent.")


def no_such_order() -> Refused:
    """Query of an order that never was, or was forgotten."""
    return Refused(-2013, "Order does not exist.")


def invalid_symbol() -> Refused:
    """A symbol that is not traded here."""
    return Refused(-1121, "Invalid symbol.")


def margin_insufficient() -> Refused:
    """A futures order that the margin does not cover."""
    return Refused(-2019, "Margin is insufficient.")


def balance_insufficient() -> Refused:
    """A spot order that the free balance does not cover."""
    return Refused(-2010, "Account has insufficient balance for requested action.")


def reduce_only_rejected() -> Refused:
    """A reduce-only order with nothing to reduce."""
    return Refused(-2022, "ReduceOnly Order is rejected.")
