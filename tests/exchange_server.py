"""An exchange that answers as its documentation shows, and keeps what it was asked; for the data files of exchanges."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.local_server import Asked, LocalServer, Reply, local_server
from tests.venue_benches import ccxt_venue

Params = Mapping[str, Any]
Answer = Any | Callable[[Params], Any]
KEYS = ("api_key_file", "secret_file")


@dataclass
class ExchangeServer:
    """``routes``: what is answered to ``"GET /path"``, or what makes the answer of the parameters; 404 for the rest."""

    routes: dict[str, Answer] = field(default_factory=dict)
    server: LocalServer = field(default_factory=LocalServer)
    asked: list[tuple[str, Any]] = field(default_factory=list)

    def answer(self, asked: Asked) -> Reply:
        parts = urlsplit(asked.path)
        name = f"{asked.method} {parts.path}"
        params: Any = dict(parse_qsl(parts.query, keep_blank_values=True))
        if asked.body:
            text = asked.body.decode()
            params = json.loads(text) if text[0] in "[{" else {**params, **dict(parse_qsl(text))}
        self.asked.append((name, params))
        if name not in self.routes:
            return Reply(404, {"msg": f"no {name}"}, {"Content-Type": "application/json"})
        answer = self.routes[name]
        body = answer(params) if callable(answer) else answer
        return body if isinstance(body, Reply) else Reply(200, body, {"Content-Type": "application/json"})

    def to(self, name: str, **wanted: Any) -> list[Any]:
        """The parameters of every request to ``"METHOD /path"`` that has these values."""
        return [
            params
            for asked, params in self.asked
            if asked == name and all(isinstance(params, dict) and params.get(key) == wanted[key] for key in wanted)
        ]


@contextmanager
def exchange_server(routes: dict[str, Answer]) -> Iterator[ExchangeServer]:
    """Serve until the `with` ends."""
    made = ExchangeServer(dict(routes))
    with local_server(made.answer) as server:
        made.server = server
        yield made


@contextmanager
def account_at(
    exchange: str, routes: dict[str, Answer], folder: Path, *, keys: tuple[str, ...] = KEYS, **options: Any
) -> Iterator[tuple[Any, ExchangeServer]]:
    """A venue of this exchange whose every address is the server of *routes*; not prepared yet."""
    for key in keys:
        (folder / key).write_text("0x" + "ab" * 32 if "wallet" in key or "private" in key else "c2VjcmV0" * 8)
    files = {key: str(folder / key) for key in keys}
    with exchange_server(routes) as server:
        given = {
            "exchange": exchange,
            "base_url": server.server.url,
            "request_timeout_seconds": 3.0,
            "keep_warm_seconds": 0.0,
            "connections": 1,
            **files,
            **options,
        }
        with ccxt_venue(given) as venue:
            yield venue, server


def nothing() -> None:
    """Nobody wants to know when the first cancel goes out."""
