"""A real venue process for tests: `with running_venue() as venue:` gives its URL, its keys and its admin API.

    from tests.sandbox_fixtures import running_venue, usdm_client

    @pytest.fixture(scope="module")
    def venue():
        with running_venue() as running:
            yield running

Every process listens on a free port of 127.0.0.1 and ends with its `with`.
"""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode

import ccxt

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
USDM_CAPTURE = DATA / "binance-usdm-btcusdt-20240808.gz"
SPOT_CAPTURE = DATA / "binance-spot-btcusdt-20240808.gz"
START_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Key:
    api_key: str
    secret: str


@dataclass(frozen=True, slots=True)
class RunningVenue:
    """A venue that answers."""

    url: str
    process: subprocess.Popen[str]
    # account -> key name (`engine`, `killer`) -> key
    keys: Mapping[str, Mapping[str, Key]] = field(default_factory=dict)

    def admin(self, method: str, path: str, body: Any = None, /, **query: Any) -> Any:
        """`admin("POST", "faults", {...})`, `admin("GET", "requests", since=0)`: the parsed answer."""
        status, content = self.request(method, f"/admin/{path}", body, **query)
        if status >= 400:
            raise AssertionError(f"{method} /admin/{path}: {status} {content}")
        return content

    def request(self, method: str, path: str, body: Any = None, /, **query: Any) -> tuple[int, Any]:
        """Any request without a signature: (status, parsed answer)."""
        url = f"{self.url}{path}" + (f"?{urlencode(query)}" if query else "")
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data=data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                content, status = response.read(), response.status
        except HTTPError as error:
            with error:
                content, status = error.read(), error.code
        try:
            return status, json.loads(content)
        except ValueError:
            return status, content.decode()

    def fault(self, kind: str, **fields: Any) -> int:
        """Start a fault; its id."""
        return int(self.admin("POST", "faults", {"kind": kind, **fields})["id"])

    def clear(self) -> None:
        """No fault, no order, every account at its deposits, an empty request log, no added latency."""
        self.admin("POST", "reset")
        self.admin("POST", "latency", {"milliseconds": 0})

    def account(self, name: str) -> Any:
        """One account of `/admin/state`."""
        return self.admin("GET", "state")["accounts"][name]

    def seed(self, account: str, count: int, **fields: Any) -> list[int]:
        """Let an account have many resting orders at once; their ids."""
        answer = self.admin("POST", "orders", {"account": account, "count": count, **fields})
        return [int(one) for one in answer["ids"]]


def accounts_of(names: Sequence[str], balance: str = "100000") -> dict[str, Any]:
    """An accounts file's content: two keys each, as `make secrets` makes them."""
    return {
        "accounts": [
            {
                "name": name,
                "balances": {"USDT": balance},
                "keys": [
                    {"name": key, "api_key": f"{name}-{key}-key", "secret": f"{name}-{key}-secret"}
                    for key in ("engine", "killer")
                ],
            }
            for name in names
        ]
    }


@contextmanager
def running_venue(
    accounts: Mapping[str, Any] | Sequence[str] = ("mm", "trend", "meanrev"), args: Sequence[str] = ()
) -> Iterator[RunningVenue]:
    """Start `python -m sandbox venue` on a free port, wait until it listens, end it afterwards."""
    content = accounts if isinstance(accounts, Mapping) else accounts_of(accounts)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sandbox_accounts.json"
        file.write_text(json.dumps(content))
        with running_program("venue", ["--accounts", str(file), *args]) as (url, process):
            keys = {
                one["name"]: {key["name"]: Key(key["api_key"], key["secret"]) for key in one["keys"]}
                for one in content["accounts"]
            }
            yield RunningVenue(url, process, keys)


@contextmanager
def running_program(name: str, args: Sequence[str]) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Start one of the sandbox's programs on a free port: its URL and its process."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    environment.pop("ANDON_REPLAY", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox", name, "--port", "0", *args],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield _first_url(process), process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()


def _first_url(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    deadline = time.monotonic() + START_SECONDS
    said = ""
    while time.monotonic() < deadline:
        ready, _, _ = select.select([process.stdout], [], [], 0.2)
        line = process.stdout.readline() if ready else ""
        said += line
        if "http://" in line:
            return "http://" + line.split("http://")[1].split()[0]
        if process.poll() is not None and not line:
            break
    raise AssertionError(f"the program did not start: {said}")


def urls(base: str) -> dict[str, str]:
    """ccxt's `urls` entry for a venue at this address."""
    return {
        "public": f"{base}/api/v3",
        "private": f"{base}/api/v3",
        "v1": f"{base}/api/v1",
        "fapiPublic": f"{base}/fapi/v1",
        "fapiPrivate": f"{base}/fapi/v1",
        "fapiPublicV2": f"{base}/fapi/v2",
        "fapiPrivateV2": f"{base}/fapi/v2",
        "fapiPublicV3": f"{base}/fapi/v3",
        "fapiPrivateV3": f"{base}/fapi/v3",
        "dapiPublic": f"{base}/dapi/v1",
        "dapiPrivate": f"{base}/dapi/v1",
    }


def client_config(venue: RunningVenue, account: str, key: str = "engine") -> dict[str, Any]:
    """What an unmodified `ccxt.binanceusdm` (sync or async) needs to trade there."""
    chosen = venue.keys[account][key]
    return {
        "apiKey": chosen.api_key,
        "secret": chosen.secret,
        "enableRateLimit": False,
        "timeout": 5000,
        "options": {"fetchCurrencies": False, "fetchOpenOrders": {"warnWithoutSymbol": False}},
        "urls": {"api": urls(venue.url)},
    }


def usdm_client(venue: RunningVenue, account: str, key: str = "engine") -> Any:
    """An unmodified sync `ccxt.binanceusdm`."""
    return ccxt.binanceusdm(client_config(venue, account, key))


def spot_client(venue: RunningVenue, account: str, key: str = "engine") -> Any:
    """An unmodified sync `ccxt.binance` in its sandbox mode: spot and perpetuals."""
    config = client_config(venue, account, key)
    config["urls"] = {"test": urls(venue.url)}
    del config["options"]["fetchCurrencies"]
    client = ccxt.binance(config)
    client.set_sandbox_mode(True)
    return client


def until(condition: Callable[[], Any], *, seconds: float = 5.0) -> Any:
    """Wait for a condition to be true and give what it gave; fails after the time."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)
    return found
