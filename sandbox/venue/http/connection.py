"""What HTTP libraries do not offer: options of the connection under a request."""

import os
import socket
import struct

from aiohttp import web


def set_option(request: web.BaseRequest, option: int, value: int | bytes) -> None:
    """Set a SO_* option of the connection that a request came by."""
    if request.transport is None:
        return
    # A duplicate of the descriptor works on every event loop; the option belongs to the connection, not to the number.
    with socket.socket(fileno=os.dup(request.transport.get_extra_info("socket").fileno())) as connection:
        connection.setsockopt(socket.SOL_SOCKET, option, value)


def reset(request: web.BaseRequest) -> None:
    """Close the connection with RST, as a crashing proxy does."""
    set_option(request, socket.SO_LINGER, struct.pack("ii", 1, 0))
    hang_up(request)


def hang_up(request: web.BaseRequest) -> None:
    """Close the connection at once."""
    if request.transport is not None:
        request.transport.abort()
