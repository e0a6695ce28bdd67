"""The configuration: strict, complete in its complaints, and never guessing."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from webhook.access.operators import token_hash
from webhook.bootstrap import CATALOGUES
from webhook.killswitch.states import Action
from webhook.notify.port import NoticeKind
from webhook.settings import ConfigError, ConfigFault, Settings, load
from webhook.settings.models import LimitSettings

TOKEN = "a-token-of-more-than-sixteen-characters"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "token", TOKEN)
    write(tmp_path, "operators.json", '{"operators": []}')
    write(tmp_path, "key", "a-key")
    return tmp_path


def write(folder: Path, name: str, content: str, mode: int = 0o600) -> Path:
    path = folder / name
    path.write_text(content)
    path.chmod(mode)
    return path


A_RULE = {"alerts": ["*"], "actions": ["halt"], "scopes": ["venue"]}


def least(**changes: Any) -> dict[str, Any]:
    needed = {"intake": {"token_file": "token"}, "access": {"operators_file": "operators.json"}}
    return needed | {"policy": {"rules": [A_RULE]}} | changes


def a_venue(**changes: Any) -> dict[str, Any]:
    return {"name": "v", "venue": "sandbox", "account": "mm", "adapter": "paper"} | changes


def read(folder: Path, document: Any, **environ: str) -> Settings:
    text = document if isinstance(document, str) else yaml.safe_dump(document)
    return load(write(folder, "andon.yml", text), environ, CATALOGUES)


def faults(folder: Path, document: Any, **environ: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as raised:
        read(folder, document, **environ)
    found = raised.value.faults
    assert len({(fault.path, fault.message) for fault in found}) == len(found)
    return {fault.path: fault.message for fault in found}


def test_the_least_configuration_has_every_default(folder: Path) -> None:
    found = read(folder, least())
    assert found.mode == "live"
    assert found.listen.host == "127.0.0.1"
    assert found.limits == LimitSettings.model_validate({})
    assert found.venues == ()


@pytest.mark.parametrize("document", [{}, {"policy": {}}, {"policy": {"rules": []}}])
def test_without_a_rule_no_alert_could_stop_anything(folder: Path, document: dict[str, Any]) -> None:
    given = {name: value for name, value in least().items() if name != "policy"} | document
    assert "no alert could ever stop anything" in faults(folder, given)["policy.rules"]


def test_a_venue_and_an_engine_are_in_shadow_unless_armed(folder: Path) -> None:
    found = read(folder, least(venues=[a_venue()], engines=[{"name": "e", "adapter": "paper"}]))
    assert (found.venues[0].mode, found.engines[0].mode) == ("shadow", "shadow")


def test_every_fault_is_told_at_once_with_its_path_and_the_fix(folder: Path) -> None:
    found = faults(
        folder,
        least(
            listn={"port": 1},
            listen={"prt": 1, "port": "x"},
            policy={
                "rules": [{"alerts": [], "actions": ["stop"], "scopes": ["venue,acount"], "max_reduce_minutes": 0}],
                "budget": {"trips": 0, "window_minutes": 0},
            },
            venues=[a_venue(options={"api_key_file": "absent"}), a_venue(mode="armed")],
            store={"url": "mysql://x/y"},
        ),
    )
    assert found == {
        "listn": "is not a setting; did you mean 'listen'?",
        "listen.prt": "is not a setting; did you mean 'port'?",
        "listen.port": "must be a whole number, got 'x'",
        "policy.rules[0].alerts": "needs at least one item",
        "policy.rules[0].actions[0]": "must be 'page', 'reduce', 'halt' or 'flatten', got 'stop'",
        "policy.rules[0].scopes[0]": "write 'global' or some of venue, account, strategy, symbol (each once, joined by "
        "commas), got 'venue,acount'",
        "policy.rules[0].max_reduce_minutes": "must be greater than 0, got 0",
        "policy.budget.trips": "must be greater than or equal to 1, got 0",
        "policy.budget.window_minutes": "must be greater than 0, got 0",
        "venues[1].mode": "must be 'live' or 'shadow', got 'armed'",
        "store.url": found["store.url"],
    }
    assert "sqlite:////absolute/path.db" in found["store.url"]


def test_cross_references_are_told_beside_faults_elsewhere(folder: Path) -> None:
    found = faults(
        folder,
        least(
            limits={"sweep_seconds": 0},
            strategies={"mm": {"venue": "sandbx", "account": "mm", "exclusive": True}},
            venues=[a_venue(adapter="ccxt", options={"exchange": "binance", "api_key_file": "absent"})],
        ),
    )
    assert set(found) == {"limits.sweep_seconds", "strategies.mm.venue", "venues[0].options.api_key_file"}
    assert "did you mean 'sandbox'" in found["strategies.mm.venue"]


def test_adapters_and_their_options_are_told_beside_faults_elsewhere(folder: Path) -> None:
    secret = "http://desk:8080/a-secret-in-the-wrong-place"
    found = faults(
        folder,
        least(
            limits={"sweep_seconds": 0},
            venues=[a_venue(options={"symbls": ["BTC/USDT"]}), a_venue(name="w", account="b", adapter="ccxtt")],
            engines=[
                {
                    "name": "e",
                    "adapter": "http",
                    "options": {"block": {"url": secret, "method": secret}, "resume": {}, "scheme": 3},
                }
            ],
            notifiers=[{"name": "n", "adapter": "pigeon"}],
        ),
    )
    assert found == {
        "limits.sweep_seconds": "must be greater than or equal to 0.1, got 0",
        "venues[0].options.symbls": "is not a setting; did you mean 'symbols'?",
        "venues[1].adapter": "'ccxtt' is not one of ccxt, paper",
        "engines[0].options.block.method": "must be 'GET', 'POST', 'PUT', 'PATCH' or 'DELETE'",
        "engines[0].options.resume.url": "is required",
        "engines[0].options.scheme": "must be a text, got 3",
        "notifiers[0].adapter": "'pigeon' is not one of apprise, console, pagerduty, slack",
    }
    assert secret not in str(found)


def test_what_the_adapters_take_is_asked_only_where_they_are_loaded(folder: Path) -> None:
    path = write(folder, "andon.yml", yaml.safe_dump(least(notifiers=[{"name": "n", "adapter": "pigeon"}])))
    assert load(path, {}).notifiers[0].adapter == "pigeon"


LINES = """\
intake: {token_file: token}
access: {operators_file: operators.json}
listen:
  port: -1
policy:
  rules:
    - {alerts: ["*"], actions: [halt], scopes: [venue], max_reduce_minutes: 5}
venues:
  - {name: v, venue: sandbox, account: mm, adapter: paper,
     options: {symbls: [x]}}
strategies:
  mm: {venue: sandbox, account: mm}
"""


def test_a_fault_says_its_line(folder: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        read(folder, LINES)
    assert {fault.path: fault.line for fault in raised.value.faults} == {
        "listen.port": 4,
        "policy.rules[0].max_reduce_minutes": 7,
        "venues[0].options.symbls": 10,
        "strategies.mm": 12,
    }
    assert "listen.port (line 4)" in str(raised.value)


def test_a_fault_of_what_is_left_out_says_the_line_of_what_is_there(folder: Path) -> None:
    twins = {"venue": "sandbox", "account": "mm", "exclusive": True}
    with pytest.raises(ConfigError) as raised:
        read(
            folder, yaml.safe_dump(least(venues=[a_venue()], strategies={"a": twins, "b": twins | {"symbols": ["x"]}}))
        )
    assert {fault.path: fault.line is not None for fault in raised.value.faults} == {"strategies.a.exclusive": True}


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "empty"),
        ("- a\n", "mapping"),
        ("listen: {port: 1", "not YAML"),
        ("a: *nothing\n", "not YAML"),
        ("a: !!python/object:os.system x\n", "not YAML"),
        ("listen: {port: 1}\nlisten: {port: 2}\n", "given twice"),
        ("1: x\n", "quotes"),
        ("limits: {sweep_seconds: .nan}\n", "finite"),
        ("limits: {sweep_seconds: .inf}\n", "finite"),
    ],
)
def test_a_file_that_is_not_plain_yaml_is_refused(folder: Path, text: str, word: str) -> None:
    assert word in " ".join(faults(folder, text).values())


def test_no_means_no_text_and_not_false(folder: Path) -> None:
    found = faults(folder, yaml.safe_dump(least()) + "mode: no\n")
    assert found == {"mode": "must be 'live' or 'shadow', got 'no'"}
    strategies = {"mm": {"venue": "sandbox", "account": "mm", "exclusive": "yes"}}
    assert faults(folder, least(strategies=strategies)) == {
        "strategies.mm.exclusive": "must be true or false, got 'yes'"
    }


def test_a_file_that_is_missing_or_not_text_is_told(folder: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load(folder / "absent.yml", {})
    (folder / "binary.yml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(folder / "binary.yml", {})


class TestSecrets:
    """Missing, empty, weak or open to everybody: never started with."""

    def test_missing(self, folder: Path) -> None:
        (folder / "token").unlink()
        assert "does not exist" in faults(folder, least())["intake.token_file"]

    def test_empty(self, folder: Path) -> None:
        write(folder, "token", " \n")
        assert "is empty" in faults(folder, least())["intake.token_file"]

    def test_writable_by_anybody(self, folder: Path) -> None:
        (folder / "token").chmod(0o666)
        assert "chmod o-w" in faults(folder, least())["intake.token_file"]

    def test_short(self, folder: Path) -> None:
        write(folder, "token", "tiny-secret")
        found = faults(folder, least())["intake.token_file"]
        assert "at least 16" in found
        assert "tiny-secret" not in found

    def test_a_folder_where_a_file_should_be(self, folder: Path) -> None:
        (folder / "token").unlink()
        (folder / "token").mkdir()
        assert "is not a file" in faults(folder, least())["intake.token_file"]

    def test_operators_that_are_wrong(self, folder: Path) -> None:
        write(
            folder, "operators.json", json.dumps({"operators": [{"name": "a", "role": "intake", "token_sha256": "x"}]})
        )
        assert "needs a role" in faults(folder, least())["access.operators_file"]

    def test_an_operator_with_the_intake_token(self, folder: Path) -> None:
        operators = {"operators": [{"name": "a", "role": "risk", "token_sha256": token_hash(TOKEN)}]}
        write(folder, "operators.json", json.dumps(operators))
        assert "intake token" in faults(folder, least())["access.operators_file"]

    def test_in_options_at_any_depth(self, folder: Path) -> None:
        options = {"header_files": {"X-Key": "k"}, "deep": [{"password_file": "absent"}]}
        found = faults(folder, least(venues=[a_venue(options=options)]))
        assert "does not exist" in found["venues[0].options.deep[0].password_file"]

    def test_a_password_in_the_store_url_is_refused_and_not_repeated(self, folder: Path) -> None:
        found = faults(folder, least(store={"url": "postgresql+psycopg://u:hunter2@db/andon"}))
        assert "password_file" in found["store.url"]
        assert "hunter2" not in str(found)

    def test_the_password_comes_from_its_file(self, folder: Path) -> None:
        write(folder, "password", "p@ss/word\n")
        store = read(folder, least(store={"url": "postgresql+psycopg://u@db/andon", "password_file": "password"})).store
        assert store.connection_url() == "postgresql+psycopg://u:p%40ss%2Fword@db/andon"
        assert "p@ss" not in repr(store)


class TestEnvironment:
    """The environment lies over the file."""

    def test_it_overrides_and_adds(self, folder: Path) -> None:
        found = read(
            folder,
            least(venues=[a_venue(name="sandbox-mm")]),
            ANDON__LISTEN__PORT="8701",
            ANDON__VENUES__SANDBOX_MM__MODE="live",
            ANDON__VENUES__0__ACCOUNT="other",
            ANDON__POLICY__BUDGET__TRIPS="5",
            ANDON__LOGS__LEVEL="debug",
            ANDON_URL="http://x",
            OTHER="x",
        )
        assert (found.listen.port, found.venues[0].mode, found.venues[0].account) == (8701, "live", "other")
        assert (found.policy.budget.trips, found.logs.level) == (5, "debug")

    def test_what_it_names_wrongly_is_a_fault_with_its_name(self, folder: Path) -> None:
        with pytest.raises(ConfigError) as raised:
            read(
                folder,
                least(venues=[a_venue()], mode="live"),
                ANDON__LISTEN__PORT="x",
                ANDON__VENUES__W__MODE="live",
                ANDON__MODE__X="1",
                ANDON__LISTENER__PORT="1",
                ANDON__="1",
            )
        told = {(fault.path, fault.origin) for fault in raised.value.faults}
        assert told == {
            ("listen.port", "ANDON__LISTEN__PORT"),
            ("ANDON__VENUES__W__MODE", "the environment"),
            ("ANDON__MODE__X", "the environment"),
            ("listener", "ANDON__LISTENER__PORT"),
            ("ANDON__", "the environment"),
        }

    def test_relative_secrets_are_taken_from_the_folder_of_the_file(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir("/")
        found = read(folder, least(store={"url": "sqlite:///state/andon.db"}), ANDON__INTAKE__TOKEN_FILE="token")
        assert found.intake.token_file == folder / "token"
        assert found.store.url == f"sqlite:///{folder}/state/andon.db"

    def test_one_form_of_a_secret_is_found_beside_the_file_and_where_it_is_mounted(
        self, folder: Path, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        mounted = tmp_path_factory.mktemp("mounted")
        (folder / "secrets").mkdir()
        for name in ("token", "operators.json"):
            for place in (folder / "secrets", mounted):
                (place / name).write_bytes((folder / name).read_bytes())
            (folder / name).unlink()
        options = {"exchange": "binanceusdm", "api_key_file": "token", "secret_file": "token"}
        document = least(secrets_dir="./secrets/../secrets", venues=[a_venue(adapter="ccxt", options=options)])
        for place, environ in ((folder / "secrets", {}), (mounted, {"ANDON__SECRETS_DIR": str(mounted)})):
            found = read(folder, document, **environ)
            assert found.secrets_dir == place
            assert found.intake.token_file == place / "token"
            assert found.venues[0].options["api_key_file"] == str(place / "token")
        absolute = least(secrets_dir="nowhere", intake={"token_file": str(mounted / "token")})
        assert set(faults(folder, absolute)) == {"access.operators_file"}


class TestNames:
    """Names are unique, exist, and do not fight."""

    @pytest.mark.parametrize("section", ["venues", "engines", "notifiers"])
    def test_twice(self, folder: Path, section: str) -> None:
        edges = {
            "venues": [a_venue(), a_venue(account="b")],
            "engines": [{"name": "e", "adapter": "paper"}] * 2,
            "notifiers": [{"name": "n", "adapter": "console"}] * 2,
        }
        assert "already used" in faults(folder, least(**{section: edges[section]}))[f"{section}[1].name"]

    def test_one_account_twice(self, folder: Path) -> None:
        assert "one entry" in faults(folder, least(venues=[a_venue(), a_venue(name="w")]))["venues[1].account"]

    def test_an_engine_named_as_a_venue(self, folder: Path) -> None:
        found = faults(folder, least(venues=[a_venue()], engines=[{"name": "v", "adapter": "paper"}]))
        assert "also the name of a venue" in found["engines[0].name"]

    def test_a_strategy_without_a_venue_account(self, folder: Path) -> None:
        strategies = {"mm": {"venue": "sandbox", "account": "mmm", "exclusive": True}}
        found = faults(folder, least(venues=[a_venue()], strategies=strategies))
        assert found == {"strategies.mm.account": "venue 'sandbox' has no account 'mmm'; did you mean 'mm'?"}

    def test_a_strategy_that_cannot_be_recognised(self, folder: Path) -> None:
        strategies = {"mm": {"venue": "sandbox", "account": "mm"}}
        found = faults(folder, least(venues=[a_venue()], strategies=strategies))
        assert "none of its orders can be recognised" in found["strategies.mm"]

    @pytest.mark.parametrize(
        ("a", "b", "path", "word"),
        [
            ({"prefixes": ["x_"]}, {"prefixes": ["x_"]}, "strategies.b.client_order_id_prefixes", "two owners"),
            ({"prefixes": ["x_"]}, {"prefixes": ["x_y_"]}, "strategies.b.client_order_id_prefixes", "two owners"),
            ({"prefixes": [""]}, {"prefixes": ["b_"]}, "strategies.a.client_order_id_prefixes", "own every order"),
            ({"exclusive": True}, {"prefixes": ["b_"]}, "strategies.a.exclusive", "cannot be its own"),
            ({"exclusive": True, "symbols": ["x"]}, {"prefixes": ["b_"]}, "strategies.a.symbols", "any symbol"),
        ],
    )
    def test_two_strategies_that_fight_are_told_once(
        self, folder: Path, a: dict[str, Any], b: dict[str, Any], path: str, word: str
    ) -> None:
        def strategy(prefixes: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
            return {"venue": "sandbox", "account": "mm", "client_order_id_prefixes": list(prefixes), **more}

        found = faults(folder, least(venues=[a_venue()], strategies={"a": strategy(**a), "b": strategy(**b)}))
        assert list(found) == [path]
        assert word in found[path]

    def test_two_strategies_on_different_symbols_may(self, folder: Path) -> None:
        one = {"venue": "sandbox", "account": "mm", "exclusive": True, "symbols": ["BTC/USDT:USDT"]}
        other = one | {"symbols": ["ETH/USDT:USDT"]}
        assert len(read(folder, least(venues=[a_venue()], strategies={"a": one, "b": other})).strategies) == 2

    def test_a_policy_and_strategies_that_do_not_fit_are_told_together(self, folder: Path) -> None:
        one = {"venue": "sandbox", "account": "mm", "client_order_id_prefixes": ["a_"]}
        rule = {"alerts": [" "], "actions": ["flatten"], "scopes": ["strategy"], "max_reduce_minutes": 1}
        found = faults(folder, least(venues=[a_venue()], strategies={"a": one}, policy={"rules": [rule]}))
        assert set(found) == {
            "policy.rules[0].alerts",
            "policy.rules[0].actions",
            "policy.rules[0].max_reduce_minutes",
            "policy.rules[0].scopes",
        }
        assert "nobody knows which position is whose" in found["policy.rules[0].scopes"]

    @pytest.mark.parametrize("name", ["a,b", "a=b", "", "a b", "x" * 65, 'a"b'])
    def test_that_no_scope_could_hold(self, folder: Path, name: str) -> None:
        assert "venues[0].account" in faults(folder, least(venues=[a_venue(account=name)]))


def test_kinds_of_notices_are_all_or_named(folder: Path) -> None:
    notifier = {"name": "n", "adapter": "console"}
    assert read(folder, least(notifiers=[notifier])).notifiers[0].kinds == tuple(NoticeKind)
    assert read(folder, least(notifiers=[notifier | {"kinds": "all"}])).notifiers[0].kinds == tuple(NoticeKind)
    assert read(folder, least(notifiers=[notifier | {"kinds": ["trip"]}])).notifiers[0].kinds == (NoticeKind.TRIP,)
    assert "notifiers[0].kinds[0]" in faults(folder, least(notifiers=[notifier | {"kinds": ["trips"]}]))


def test_actions_and_scopes_are_read_into_our_words(folder: Path) -> None:
    rule = {"alerts": ["*"], "actions": ["halt"], "scopes": ["account, venue", "global"]}
    (found,) = read(folder, least(policy={"rules": [rule]})).policy.rules
    assert found.actions == (Action.HALT,)
    assert found.scopes == ("venue,account", "global")


def test_settings_cannot_be_changed(folder: Path) -> None:
    found = read(folder, least())
    with pytest.raises(ValueError, match="frozen"):
        found.mode = "shadow"  # type: ignore[misc]


def test_a_fault_reads_as_a_sentence() -> None:
    assert str(ConfigFault("a.b", "is wrong", line=3)) == "a.b (line 3): is wrong"
    assert str(ConfigFault("a.b", "is wrong", origin="ANDON__A__B")) == "a.b (from ANDON__A__B): is wrong"


_JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(section=st.sampled_from(sorted(Settings.model_fields)), junk=_JUNK)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_stands_in_the_file_is_settings_or_faults(folder: Path, section: str, junk: Any) -> None:
    try:
        read(folder, least() | {section: junk})
    except ConfigError as error:
        assert error.faults  # noqa: PT017 - either is right
