"""What every way to reach a person promises.  A new one joins by a line in `BENCHES`."""

import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.local_server import LocalServer, Reply, local_server
from tests.sandbox_fixtures import running_program
from webhook.errors import AndonError, PermanentError, TemporaryError
from webhook.notifiers import NOTIFIERS, Filter
from webhook.notify.port import Notice, NoticeKind, Notifier

# Apprise's mail plugin asks for a module of the standard library that is on its way out.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")
TIMEOUT = 5.0
ROUTING_KEY = "0123456789abcdef0123456789abcdef"
SLACK_PATH = "/services/T000/B000/hush-hush-hush"
EVERYTHING = Filter()


def notice(**changes: Any) -> Notice:
    given: dict[str, Any] = {
        "key": "trip-1",
        "kind": NoticeKind.TRIP,
        "severity": "critical",
        "headline": "mm-btc is halted: drawdown <5 %> & rising",
        "at": "2026-11-22T12:00:00.000000Z",
        "facts": {"scope": "strategy=mm-btc", "drawdown": Decimal("0.051"), "orders left": 3, "accounts": ["mm"]},
        "runbook_url": "https://runbooks.example/drawdown",
        "link": "http://127.0.0.1:8700/trips/1",
    }
    return Notice(**{**given, **changes})


class Bench(Protocol):
    """One destination, from both sides."""

    notifier: Notifier

    def heard(self) -> list[str]:
        """What arrived, each as text."""

    def fail(self, status: int, retry_after: int | None = None) -> None:
        """From now on answer with this status."""

    def hang(self) -> None:
        """From now on take requests and never answer."""


def build(kind: str, options: dict[str, Any], accepts: Filter = EVERYTHING) -> Notifier:
    """A notifier made as the composition root makes it."""
    found = NOTIFIERS[kind]
    return found.build(name=f"the-{kind}", options=found.options.model_validate(options), accepts=accepts)


def options_for(kind: str, url: str, folder: Path) -> dict[str, Any]:
    """The options of a notifier that ends at *url*."""
    if kind == "console":
        return {}
    if kind == "pagerduty":
        (folder / "key").write_text(ROUTING_KEY)
        return {"routing_key_file": str(folder / "key"), "url": f"{url}/v2/enqueue"}
    if kind == "slack":
        (folder / "url").write_text(f"{url}{SLACK_PATH}\n")
        return {"webhook_url_file": str(folder / "url")}
    (folder / "urls").write_text(f"# where it goes\n{url.replace('http', 'json')}/hush-hush-hush\n")
    return {"urls_file": str(folder / "urls")}


@dataclass
class ServerBench:
    notifier: Notifier
    server: LocalServer

    def heard(self) -> list[str]:
        return [json.dumps(asked.json, ensure_ascii=False) for asked in self.server.asked]

    def fail(self, status: int, retry_after: int | None = None) -> None:
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        self.server.answer = lambda asked: Reply(status, asked.path.encode() + asked.body, headers)

    def hang(self) -> None:
        self.server.answer = lambda _: Reply(wait=60)


ACCEPTED = {"pagerduty": 202, "slack": 200, "apprise": 200}


@contextmanager
def server_bench(kind: str, folder: Path) -> Iterator[ServerBench]:
    with local_server(lambda _: Reply(ACCEPTED[kind])) as server:
        notifier = build(kind, options_for(kind, server.url, folder))
        yield ServerBench(notifier, server)
        notifier.close()


@pytest.fixture(params=sorted(ACCEPTED))
def bench(request, tmp_path) -> Iterator[Bench]:
    with server_bench(request.param, tmp_path) as made:
        yield made


@pytest.fixture(params=sorted(NOTIFIERS))
def kind(request) -> str:
    return str(request.param)


def test_every_kind_of_notifier_is_under_contract():
    assert set(NOTIFIERS) == {*ACCEPTED, "console"}


def test_a_notice_arrives_with_what_a_person_must_know(bench):
    bench.notifier.send(notice(), TIMEOUT)
    (heard,) = bench.heard()
    for part in ("mm-btc is halted", "strategy=mm-btc", "0.051", "https://runbooks.example/drawdown", "8700/trips/1"):
        assert part in heard


@pytest.mark.parametrize("severity", ["critical", "error", "warning", "info", "unheard-of"])
def test_every_severity_can_be_sent(bench, severity):
    bench.notifier.send(notice(severity=severity), TIMEOUT)
    assert len(bench.heard()) == 1


def test_a_notice_of_any_length_can_be_sent(bench):
    facts = {f"fact {number}": "x" * 5000 for number in range(60)}
    bench.notifier.send(notice(headline="h" * 5000, key="k" * 500, facts=facts), TIMEOUT)
    bench.notifier.send(notice(facts={}, runbook_url=None, link=None), TIMEOUT)
    assert len(bench.heard()) == 2


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_server_error_is_temporary(bench, status):
    bench.fail(status)
    with pytest.raises(TemporaryError):
        bench.notifier.send(notice(), TIMEOUT)


def test_a_destination_that_hangs_keeps_nobody_longer_than_the_timeout(bench):
    bench.hang()
    started = time.monotonic()
    with pytest.raises(TemporaryError):
        bench.notifier.send(notice(), 0.2)
    assert time.monotonic() - started < 3


def test_no_failure_tells_a_secret(bench):
    for status in (400, 403, 429, 500):
        bench.fail(status)
        with pytest.raises(AndonError) as fault:
            bench.notifier.send(notice(), TIMEOUT)
        assert ROUTING_KEY not in str(fault.value)
        assert "hush-hush-hush" not in str(fault.value)


@pytest.mark.parametrize("kind", ["pagerduty", "slack"])
def test_a_rate_limit_says_when_to_come_back(kind, tmp_path):
    with server_bench(kind, tmp_path) as bench:
        bench.fail(429, retry_after=30)
        with pytest.raises(TemporaryError) as fault:
            bench.notifier.send(notice(), TIMEOUT)
        assert (fault.value.reason, fault.value.retry_after) == ("rate_limited", 30.0)


@pytest.mark.parametrize("kind", ["pagerduty", "slack"])
@pytest.mark.parametrize("status", [400, 403, 404, 410])
def test_a_refusal_is_permanent(kind, status, tmp_path):
    with server_bench(kind, tmp_path) as bench:
        bench.fail(status)
        with pytest.raises(PermanentError) as fault:
            bench.notifier.send(notice(), TIMEOUT)
        assert fault.value.reason == "refused"


def test_it_accepts_what_its_filter_wants(kind, tmp_path):
    wanted = Filter(frozenset({NoticeKind.TRIP, NoticeKind.RESUMED}), "error")
    notifier = build(kind, options_for(kind, "http://127.0.0.1:9", tmp_path), wanted)
    assert notifier.name == f"the-{kind}"
    assert notifier.accepts(notice())
    assert notifier.accepts(notice(severity="error"))
    assert notifier.accepts(notice(kind=NoticeKind.RESUMED, severity="info", resolves=True))
    assert not notifier.accepts(notice(severity="warning"))
    assert not notifier.accepts(notice(kind=NoticeKind.PAGE))
    notifier.close()


@pytest.mark.parametrize("missing", ["pagerduty", "slack", "apprise"])
@pytest.mark.parametrize("content", [None, " \n"])
def test_a_secret_that_is_missing_or_empty_is_named(missing, content, tmp_path):
    options = options_for(missing, "http://127.0.0.1:9", tmp_path)
    field_name = next(name for name in options if name.endswith("_file"))
    path = Path(options[field_name])
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(PermanentError, match=field_name) as fault:
        build(missing, options)
    assert str(path) in str(fault.value)


@dataclass
class RunningPager:
    """The sandbox's pager, a process of its own that answers as the real ones document it."""

    url: str
    opener: Any = field(default_factory=lambda: urllib.request.build_opener(urllib.request.ProxyHandler({})))

    def pages(self) -> Any:
        with self.opener.open(f"{self.url}/pages", timeout=5) as response:
            return json.load(response)


@pytest.fixture(scope="module")
def pager() -> Iterator[RunningPager]:
    with running_program("pager", []) as (url, _):
        yield RunningPager(url)


def test_pagerduty_opens_one_incident_and_resolves_it(pager, tmp_path):
    notifier = build("pagerduty", options_for("pagerduty", pager.url, tmp_path))
    notifier.ping(TIMEOUT)
    assert pager.pages()["incidents"] == []
    notifier.send(notice(), TIMEOUT)
    notifier.send(notice(kind=NoticeKind.NOT_VERIFIED, severity="unheard-of"), TIMEOUT)
    (incident,) = pager.pages()["incidents"]
    assert (incident["dedup_key"], incident["status"], incident["events"]) == ("trip-1", "triggered", 2)
    page = pager.pages()["pages"][0]["body"]
    assert page["payload"]["custom_details"]["drawdown"] == "0.051"
    assert page["payload"]["timestamp"] == notice().at
    assert page["links"][0] == {"href": "https://runbooks.example/drawdown", "text": "Runbook"}
    notifier.send(notice(kind=NoticeKind.RESUMED, severity="info", resolves=True), TIMEOUT)
    assert [one["status"] for one in pager.pages()["incidents"]] == ["resolved"]
    notifier.close()


def test_pagerduty_gives_up_on_an_event_that_it_refuses(pager, tmp_path):
    options = options_for("pagerduty", pager.url, tmp_path)
    (tmp_path / "key").write_text("too-short")
    notifier = build("pagerduty", options)
    with pytest.raises(PermanentError, match="routing_key"):
        notifier.send(notice(), TIMEOUT)
    notifier.close()


def test_slack_takes_the_message_and_cannot_be_made_to_mention_anybody(pager, tmp_path):
    notifier = build("slack", options_for("slack", pager.url, tmp_path))
    before = len(pager.pages()["pages"])
    notifier.ping(TIMEOUT)
    notifier.send(notice(facts={"reason": "<!channel> & <https://evil.example|click>"}), TIMEOUT)
    pages = pager.pages()["pages"][before:]
    assert [page["service"] for page in pages] == ["slack"]
    body = json.dumps(pages[0]["body"])
    assert "<!channel>" not in body
    assert "&lt;!channel&gt; &amp; &lt;https://evil.example|click&gt;" in body
    assert "<https://runbooks.example/drawdown|Runbook>" in body
    assert "mm-btc is halted: drawdown &lt;5 %&gt; &amp; rising" in pages[0]["text"]
    notifier.close()


def test_slack_keeps_the_limits_of_a_message(tmp_path):
    with server_bench("slack", tmp_path) as bench:
        facts = {f"fact {number}": "&" * 3000 for number in range(60)}
        bench.notifier.send(notice(headline="&" * 4000, facts=facts), TIMEOUT)
        message = json.loads(bench.heard()[0])
        assert len(message["blocks"]) <= 50
        for block in message["blocks"]:
            assert len(block.get("fields", [])) <= 10
            assert all(len(one["text"]) <= 2000 for one in block.get("fields", []))
            assert len(block.get("text", {}).get("text", "")) <= 3000


def test_slack_tells_a_webhook_that_was_taken_away(tmp_path):
    with server_bench("slack", tmp_path) as bench:
        bench.fail(404)
        with pytest.raises(PermanentError):
            bench.notifier.ping(TIMEOUT)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_console_writes_one_line_of_json(stream, capsys):
    notifier = build("console", {"stream": stream})
    notifier.ping(TIMEOUT)
    notifier.send(notice(headline="two\nlines"), TIMEOUT)
    notifier.send(notice(), TIMEOUT)
    lines = getattr(capsys.readouterr(), stream[3:]).splitlines()
    assert [json.loads(line)["notice"]["headline"] for line in lines] == ["two\nlines", notice().headline]
    assert json.loads(lines[0])["notice"]["facts"]["drawdown"] == "0.051"


def test_console_says_when_nobody_can_read_it(monkeypatch):
    class Broken:
        closed = True

        def write(self, _: str) -> None:
            raise BrokenPipeError

    monkeypatch.setattr("sys.stdout", Broken())
    notifier = build("console", {})
    with pytest.raises(TemporaryError):
        notifier.send(notice(), TIMEOUT)
    with pytest.raises(TemporaryError):
        notifier.ping(TIMEOUT)


def test_apprise_refuses_an_address_that_it_does_not_know_without_showing_it(tmp_path):
    (tmp_path / "urls").write_text("nonsense-hush-hush-hush\n")
    with pytest.raises(PermanentError, match="line 1") as fault:
        build("apprise", {"urls_file": str(tmp_path / "urls")})
    assert "hush" not in str(fault.value)


def test_a_filter_knows_only_severities_that_exist():
    with pytest.raises(ValueError, match="critical"):
        Filter(severity="fatal")
