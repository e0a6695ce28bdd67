"""The HTTP engine: templates that no value can break, and conditions that decide what "stopped" means."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from tests.engine_benches import TIMEOUT, http_bench, http_engine
from tests.local_server import LocalServer, Reply, local_server
from webhook.actions.port import EngineState
from webhook.engines.http import Options
from webhook.errors import PermanentError, TemporaryError, UnknownOutcomeError
from webhook.killswitch.scope import GLOBAL, Scope

MM = Scope.of({"strategy": "mm-btc"})
NASTY = 'x/../admin?a=1&b="}{reason}{strategy}\r\nX-Evil: 1 %2e ü'


def state(made: Any, part: Scope) -> EngineState:
    return made.status((part,), TIMEOUT)[part]


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with local_server() as running:
        yield running


ANSWERED = {"status": [200]}
"""A condition for an engine that confirms by its status alone."""


@pytest.fixture
def engine(server) -> Iterator[Callable[..., Any]]:
    """Makes engines at the server; URLs are given as paths, and a status of 200 confirms where nothing else is said."""
    made = []

    def make(**options: Any) -> Any:
        for name in ("block", "resume", "reduce_only"):
            if name in options:
                options[name] = {"success": ANSWERED, **options[name]}
        for name in ("block", "resume", "reduce_only", "status", "ping"):
            for field in ("url", "wide_url"):
                if field in options.get(name, {}):
                    options[name][field] = server.url + options[name][field]
        plain = {name: {"url": f"{server.url}/{name}", "success": ANSWERED} for name in ("resume", "block")}
        one = http_engine({**plain, **options})
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()


def test_values_are_quoted_in_an_address(server, engine):
    made = engine(
        scopes=["strategy"], block={"url": "/s/{strategy}/stop?why={reason}&on={scope}", "wide_url": "/stop-all"}
    )
    made.block(Scope((("strategy", NASTY),)), "a&b=c#d", TIMEOUT)
    path = server.asked[0].path
    assert path.startswith("/s/x%2F..%2Fadmin%3Fa%3D1%26b%3D%22%7D%7Breason%7D%7Bstrategy%7D%0D%0AX-Evil")
    assert path.count("?") == 1
    assert "why=a%26b%3Dc%23d&on=strategy%3D" in path
    assert "x-evil" not in server.asked[0].headers


def test_values_stay_inside_their_string_in_a_body(server, engine):
    body = {"name": "{strategy}", "note": "stop {strategy}: {reason}", "list": ["{account}", 1, None, True], "deep": {}}
    made = engine(scopes=["strategy", "account"], block={"url": "/stop", "body": body})
    made.block(Scope((("strategy", NASTY),)), "{strategy}", TIMEOUT)
    assert server.asked[0].json == {
        "name": NASTY,
        "note": f"stop {NASTY}: {{strategy}}",
        "list": [None, 1, None, True],
        "deep": {},
    }


def test_what_the_scope_leaves_free_is_null_in_a_body_and_takes_the_wide_address(server, engine):
    made = engine(
        scopes=["strategy"],
        block={"url": "/s/{strategy}/stop", "wide_url": "/stop-all", "body": {"strategy": "{strategy}"}},
    )
    made.block(GLOBAL, "drawdown", TIMEOUT)
    assert (server.asked[0].path, server.asked[0].json) == ("/stop-all", {"strategy": None})


def test_an_engine_that_cannot_be_that_precise_is_stopped_wider(server, engine):
    made = engine(scopes=["account"], block={"url": "/stop", "body": {"account": "{account}", "on": "{scope}"}})
    made.block(Scope.of({"account": "mm", "symbol": "BTC/USDT"}), "drawdown", TIMEOUT)
    made.block(Scope.of({"symbol": "BTC/USDT"}), "drawdown", TIMEOUT)
    assert [asked.json for asked in server.asked] == [
        {"account": "mm", "on": "account=mm"},
        {"account": None, "on": "global"},
    ]


def test_an_engine_without_reduce_only_is_blocked_instead(server, engine):
    made = engine()
    assert not made.capabilities.reduce_only
    assert made.reduce_only(GLOBAL, "drawdown", TIMEOUT) is EngineState.BLOCKED
    assert server.asked[0].path == "/block"


@pytest.mark.parametrize(
    ("answer", "kind", "reason"),
    [
        (Reply(400, b"no"), PermanentError, "refused"),
        (Reply(401, b"no"), PermanentError, "unauthorised"),
        (Reply(404, b"no"), PermanentError, "not_found"),
        (Reply(204), PermanentError, "refused"),
        (Reply(302, headers={"Location": "/login"}), PermanentError, "refused"),
        (Reply(409, b"busy"), TemporaryError, "busy"),
        (Reply(429, b"slow", {"Retry-After": "4"}), TemporaryError, "rate_limited"),
        (Reply(500, b"oops"), UnknownOutcomeError, "server_error"),
        (Reply(502, b"oops"), UnknownOutcomeError, "server_error"),
        (Reply(503, b"later", {"Retry-After": "4"}), TemporaryError, "unavailable"),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Reply) else None,
)
def test_another_status_than_success_is_never_confirmed(server, engine, answer, kind, reason):
    server.answer = lambda _: answer
    with pytest.raises(kind) as fault:
        engine().block(GLOBAL, "drawdown", TIMEOUT)
    assert (type(fault.value), fault.value.reason) == (kind, reason)
    assert str(answer.status) in str(fault.value)
    if answer.status in (429, 503):
        assert fault.value.retry_after == 4.0


def condition(path: str, equals: Any, **more: Any) -> dict[str, Any]:
    return {"url": "/stop", "success": {"status": [200, 202], "json": {"path": path, "equals": equals, **more}}}


@pytest.mark.parametrize(
    ("wanted", "body"),
    [
        (condition("state", "stopped"), {"state": "stopped"}),
        (condition("state", ["stopped", "stopping"]), {"state": "stopping"}),
        (condition("bots.*.state", "stopped"), {"bots": {"a": {"state": "stopped"}, "b": {"state": "stopped"}}}),
        (condition("bots.0.ok", True), {"bots": [{"ok": True}, {"ok": False}]}),
        (condition("", "ok"), "ok"),
        (condition("bots.*.state", "stopped", allow_empty=True), {"bots": {}}),
    ],
)
def test_a_condition_that_holds_confirms(server, engine, wanted, body):
    server.answer = lambda _: Reply(202, body)
    assert engine(block=wanted).block(GLOBAL, "drawdown", TIMEOUT) is EngineState.BLOCKED


@pytest.mark.parametrize(
    ("wanted", "body"),
    [
        (condition("state", "stopped"), {"state": "running"}),
        (condition("state", "stopped"), {}),
        (condition("state", "stopped"), ["stopped"]),
        (condition("bots.*.state", "stopped"), {"bots": {"a": {"state": "stopped"}, "b": {"state": "running"}}}),
        (condition("bots.*.state", "stopped"), {"bots": {}}),
        (condition("ok", True), {"ok": 1}),
        (condition("ok", 1), {"ok": True}),
        (condition("ok", True), {"ok": "true"}),
    ],
)
def test_a_condition_that_does_not_hold_is_not_confirmed(server, engine, wanted, body):
    server.answer = lambda _: Reply(200, body)
    with pytest.raises(TemporaryError) as fault:
        engine(block=wanted).block(GLOBAL, "drawdown", TIMEOUT)
    assert fault.value.reason == "not_confirmed"


def test_every_one_of_several_conditions_must_hold(server, engine):
    server.answer = lambda _: Reply(200, {"a": 1, "b": 2})
    for second, confirmed in ((2, True), (3, False)):
        both = [{"path": "a", "equals": 1}, {"path": "b", "equals": second}]
        made = engine(block={"url": "/stop", "success": {"json": both}})
        if confirmed:
            made.block(GLOBAL, "drawdown", TIMEOUT)
        else:
            with pytest.raises(TemporaryError):
                made.block(GLOBAL, "drawdown", TIMEOUT)


def test_an_answer_that_is_not_json_is_unknown_where_a_condition_wants_json(server, engine):
    server.answer = lambda _: Reply(200, b"<html>stopped</html>")
    with pytest.raises(UnknownOutcomeError) as fault:
        engine(block=condition("state", "stopped")).block(GLOBAL, "drawdown", TIMEOUT)
    assert fault.value.reason == "not_json"


def test_the_state_of_an_engine_that_has_but_one(server, engine):
    described = {"url": "/show_config", "state": "state", "states": {"running": "running", "stopped": "blocked"}}
    made = engine(status=described)
    for word, expected in (("running", "running"), ("stopped", "blocked"), ("reloading", "unknown")):
        server.answer = lambda _, word=word: Reply(200, {"state": word})
        assert state(made, MM).value == expected
    server.answer = lambda _: Reply(200, {"other": 1})
    assert state(made, MM) is EngineState.UNKNOWN
    assert state(engine(), MM) is EngineState.UNKNOWN


def test_a_part_without_labels_counts_for_every_scope(server, engine):
    described = {
        "url": "/bots",
        "parts": "bots.*",
        "states": {"on": "running", "off": "blocked"},
        "labels": {"strategy": "name", "symbol": "pairs"},
    }
    made = engine(status=described)
    bots = [{"name": "mm", "pairs": ["BTC/USDT", "ETH/USDT"], "state": "off"}, {"name": "t", "state": "on"}]
    server.answer = lambda _: Reply(200, {"bots": bots})
    assert state(made, Scope.of({"strategy": "mm"})) is EngineState.BLOCKED
    assert state(made, Scope.of({"symbol": "ETH/USDT"})) is EngineState.RUNNING
    assert state(made, Scope.of({"strategy": "t"})) is EngineState.RUNNING
    assert state(made, Scope.of({"strategy": "mm", "symbol": "SOL/USDT"})) is EngineState.UNKNOWN


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), "unknown"),
        (("odd",), "unknown"),
        (("odd", "on"), "running"),
        (("on", "odd", "off"), "running"),
        (("odd", "off"), "unknown"),
        (("odd", "reducing"), "unknown"),
        (("reducing", "off"), "reduce_only"),
        (("off", "off"), "blocked"),
    ],
    ids=str,
)
def test_what_is_not_known_hides_nothing_that_runs_and_is_never_called_stopped(server, engine, words, expected):
    """Several things trade in one part: one that runs decides, and else one of which nothing is known."""
    states = {"on": "running", "off": "blocked", "reducing": "reduce_only"}
    made = engine(status={"url": "/bots", "parts": "*", "states": states})
    server.answer = lambda _: Reply(200, [{"state": word} for word in words])
    assert state(made, GLOBAL).value == expected


def test_many_parts_are_one_request_unless_the_address_names_a_part(server, engine):
    described = {"states": {"on": "running", "off": "blocked"}, "labels": {"strategy": "@key"}, "parts": "*"}
    server.answer = lambda _: Reply(200, {"a": {"state": "on"}, "b": {"state": "off"}})
    parts = tuple(Scope.of({"strategy": name}) for name in ("a", "b", "c"))
    found = engine(scopes=["strategy"], status={"url": "/bots", **described}).status(parts, TIMEOUT)
    assert [found[part].value for part in parts] == ["running", "blocked", "unknown"]
    assert [asked.path for asked in server.asked] == ["/bots"]

    one_by_one = {"url": "/bots/{strategy}", "wide_url": "/bots", "states": described["states"]}
    server.answer = lambda asked: Reply(200, {"state": "off" if asked.path.endswith("/b") else "on"})
    found = engine(scopes=["strategy"], status=one_by_one).status(parts, TIMEOUT)
    assert [found[part].value for part in parts] == ["running", "blocked", "running"]
    assert [asked.path for asked in server.asked[1:]] == ["/bots/a", "/bots/b", "/bots/c"]


@pytest.mark.parametrize("name", ["block", "resume", "reduce_only"])
@pytest.mark.parametrize("success", [None, {}])
def test_a_command_without_a_condition_of_success_is_refused(name, success):
    """An answer alone proves nothing: what confirms a command has to be said."""
    options = {"block": BLOCK, "resume": BLOCK, "reduce_only": BLOCK}
    options[name] = {"url": "http://engine/x"} | ({} if success is None else {"success": success})
    with pytest.raises(ValidationError, match=f"{name} has no success condition"):
        Options.model_validate(options)


@pytest.mark.parametrize("success", [{"status": [204]}, {"json": {"path": "state", "equals": "stopped"}}])
def test_a_status_or_what_the_body_shows_may_be_the_condition(success):
    assert Options.model_validate({"block": {**BLOCK, "success": success}, "resume": BLOCK})


def test_it_logs_in_as_configured_and_tells_no_secret(server, engine, tmp_path):
    for name in ("token", "password", "key"):
        (tmp_path / name).write_text(f"the-{name}\n")
    server.answer = lambda asked: Reply(403, f"you sent {dict(asked.headers)}".encode())
    bearer = engine(token_file=str(tmp_path / "token"), header_files={"X-Key": str(tmp_path / "key")})
    basic = engine(username="andon", password_file=str(tmp_path / "password"))
    for made in (bearer, basic):
        with pytest.raises(PermanentError) as fault:
            made.block(GLOBAL, "drawdown", TIMEOUT)
        assert "the-" not in str(fault.value)
    assert server.asked[0].headers["authorization"] == "Bearer the-token"
    assert server.asked[0].headers["x-key"] == "the-key"
    assert server.asked[1].headers["authorization"].startswith("Basic ")


def test_a_ping_without_an_address_of_its_own_asks_for_the_state_or_knocks(server, engine):
    described = {"url": "/state", "states": {}}
    engine(status=described).ping(TIMEOUT)
    engine().ping(TIMEOUT)
    assert [(asked.method, asked.path) for asked in server.asked] == [("GET", "/state"), ("HEAD", "/block")]


def test_a_missing_token_is_named(engine, tmp_path):
    with pytest.raises(PermanentError, match="token_file"):
        engine(token_file=str(tmp_path / "nowhere"))


BLOCK = {"url": "http://engine/block", "success": {"status": [200]}}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"block": {**BLOCK, "url": "engine/block"}}, "url"),
        ({"block": {**BLOCK, "url": "http://{strategy}.engine/block"}, "scopes": ["strategy"]}, "url"),
        ({"block": {**BLOCK, "url": "http://engine{strategy}/block"}, "scopes": ["strategy"]}, "url"),
        ({"block": {**BLOCK, "url": "http://engine/{strategy}"}, "scopes": ["strategy"]}, "wide_url"),
        (
            {"block": {**BLOCK, "url": "http://engine/x", "body": {"a": "{account}"}}, "scopes": ["strategy"]},
            "not in scopes",
        ),
        ({"block": {**BLOCK, "url": "http://e/x", "wide_url": "http://e/{symbol}"}, "scopes": ["symbol"]}, "wide_url"),
        ({"token_file": "/t", "username": "a", "password_file": "/p"}, "not both"),
        ({"username": "a"}, "belong together"),
        ({"scopes": ["desk"]}, "scopes"),
        ({"stop": BLOCK}, "stop"),
        ({"block": {**BLOCK, "success": {"status": []}}}, "status"),
        ({"status": {"url": "http://engine/s", "states": {"on": "flying"}}}, "states"),
    ],
    ids=str,
)
def test_options_are_strict(wrong, told):
    with pytest.raises(ValidationError, match=told):
        Options.model_validate({"block": BLOCK, "resume": BLOCK, **wrong})


def test_what_matches_nothing_may_be_allowed(tmp_path):
    success = {"json": {"path": "strategies.*.state", "equals": "paused", "allow_empty": True}}
    with http_bench(tmp_path, strategies={}) as bench:
        call = {"url": f"{bench.server.url}/control/pause", "body": {}, "success": success}
        made = http_engine({"token_file": str(tmp_path / "engine_token"), "block": call, "resume": BLOCK})
        assert made.block(GLOBAL, "drawdown", TIMEOUT) is EngineState.BLOCKED
        made.close()
