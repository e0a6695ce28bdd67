"""Every setting: its meaning, unit, default and danger.  ``docs/configuration.md`` is printed from here."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from webhook.killswitch.scope import DIMENSIONS, Scope, ScopeError
from webhook.killswitch.states import Action
from webhook.notify.port import NoticeKind
from webhook.settings import store_url


class Section(BaseModel):
    """Frozen, strict, and no key that nobody reads."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=False)


def _name(value: str) -> str:
    if not re.fullmatch(r"[^\s,=\"\\{}]{1,64}", value):
        raise ValueError("use 1 to 64 characters without blanks, quotes, braces, ',' and '='")
    return value


def _dimensions(value: str) -> str:
    if value.strip() == "global":
        return "global"
    parts = [part.strip() for part in value.split(",")]
    unknown = [part for part in parts if part not in DIMENSIONS]
    if unknown or len(set(parts)) != len(parts):
        raise ValueError(
            f"write 'global' or some of {', '.join(DIMENSIONS)} (each once, joined by commas), got {value!r}"
        )
    return ",".join(name for name in DIMENSIONS if name in parts)


def _scope(value: str) -> str:
    try:
        return str(Scope.parse(value))
    except ScopeError as error:
        raise ValueError(str(error)) from None


def _http_url(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/@]+(/\S*)?", value):
        raise ValueError("write a URL like http://host:port, without user and password")
    return value.rstrip("/")


def _all_kinds(value: object) -> object:
    return [kind.value for kind in NoticeKind] if value == "all" else value


Name = Annotated[str, AfterValidator(_name)]
Dimensions = Annotated[str, AfterValidator(_dimensions)]
ScopeText = Annotated[str, AfterValidator(_scope)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
Mode = Literal["live", "shadow"]


class ListenSettings(Section):
    """Where the service is heard."""

    host: str = Field(
        "127.0.0.1",
        description="Address to bind. Anything but loopback shows the trip and resume endpoints to that network.",
    )
    port: int = Field(8700, ge=0, le=65535, description="TCP port; 0 takes a free one (tests).")
    threads: int = Field(
        32,
        ge=4,
        le=256,
        description="Requests served at once. Too few delay a kill while others wait for the store.",
    )
    public_url: HttpUrl | None = Field(
        None, description="Where people reach this service; put as a link into pages. Null: pages carry no link."
    )


class LogSettings(Section):
    """What the service says about itself on standard output."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least level that is written.")
    format: Literal["json", "text"] = Field("json", description="json: one object per line; text: for eyes.")


class StoreSettings(Section):
    """Where switches, trips, their progress, the outbox and the journal are kept."""

    url: Annotated[str, AfterValidator(store_url.checked)] = Field(
        "sqlite:////var/lib/andon/andon.db",
        description="sqlite:////path (one host, on a local disk, never on NFS) or "
        "postgresql+psycopg://user@host/database "
        "(several hosts). Deleting it forgets that a scope was halted.",
    )
    password_file: Path | None = Field(None, description="File with the PostgreSQL password; null when none is needed.")
    commit_timeout_seconds: float = Field(
        0.2,
        ge=0.05,
        le=10,
        description="Seconds the store may take over one statement or a commit. After that it counts as out: the kill "
        "runs from memory, and is written when the store is back. More delays kills while a disk hangs.",
    )

    @model_validator(mode="after")
    def _password_has_a_user(self) -> Self:
        if self.password_file is not None:
            store_url.with_password(self.url, "")
        return self

    def connection_url(self) -> str:
        """The URL with the password filled in; for the store only, never for a log."""
        if self.password_file is None:
            return self.url
        return store_url.with_password(self.url, self.password_file.read_text(encoding="utf-8").strip())


class IntakeSettings(Section):
    """How alerts are taken in from Alertmanager."""

    token_file: Path = Field(
        description="File with the bearer token that Alertmanager sends (at least 16 characters). Whoever has it "
        "can trip, not resume. "
        "Read again when the file changes."
    )
    max_body_bytes: int = Field(
        4_194_304,
        ge=65_536,
        le=67_108_864,
        description="Largest request body in bytes; a larger one is answered 503 and paged, since it may hide a kill.",
    )
    max_alerts: int = Field(10_000, ge=1, le=100_000, description="Most alerts in one request.")


class AccessSettings(Section):
    """Who may act."""

    operators_file: Path = Field(
        description="JSON list of operators with roles and the SHA-256 of their tokens (`andon operator add` "
        "writes it). "
        "Read again when the file changes; an operator who is removed is out within a second."
    )


class PrometheusSettings(Section):
    """Where firing alerts are read directly: for the kill that no POST brought, and before a resume."""

    url: HttpUrl = Field("http://127.0.0.1:9090", description="Base URL of Prometheus.")
    poll_seconds: float = Field(
        2.0,
        ge=0,
        le=300,
        description="Seconds between reads of the firing alerts. 0 switches the poll off: a silenced or swallowed "
        "kill alert is then never seen.",
    )
    timeout_seconds: float = Field(2.0, gt=0, le=30, description="Seconds to wait for one answer.")


class LimitSettings(Section):
    """Deadlines of a kill; after them a person is told, and the work goes on."""

    block_timeout_seconds: float = Field(
        2.0,
        gt=0,
        le=60,
        description="Seconds an engine may take to confirm that it stopped; cancels do not wait for it.",
    )
    venue_timeout_seconds: float = Field(
        2.0, gt=0, le=60, description="Seconds for one request to a venue; then its outcome counts as unknown."
    )
    verify_deadline_seconds: float = Field(
        10.0, gt=0, le=3600, description="Seconds until an order book that is not yet verified empty is paged."
    )
    flat_deadline_seconds: float = Field(
        60.0, gt=0, le=86_400, description="Seconds until a position that is not yet verified flat is paged."
    )
    sweep_seconds: float = Field(
        5.0,
        ge=0.1,
        le=60,
        description="Seconds between re-reads of every halted scope. Each reads the open orders of the whole account, "
        "in every book: on Binance futures that is 80 of the 2,400 request weights a minute, so 1 would be banned.",
    )
    resume_request_minutes: float = Field(
        15.0, gt=0, le=1440, description="Minutes a request to resume waits for the second person before it expires."
    )


class FlattenSettings(Section):
    """How positions are closed when an action is `flatten`."""

    collar_ratio: float = Field(
        0.005,
        gt=0,
        le=0.2,
        description="Furthest limit price from mid, as a ratio (0.005 = 0.5 %). Wider closes surely and pays more.",
    )
    slices: int = Field(5, ge=1, le=1000, description="Fewest orders a position is split into.")
    depth_share: float = Field(
        0.25, gt=0, le=1, description="Largest share (0 to 1) of the visible depth that one slice may take."
    )
    depth_band_ratio: float = Field(0.005, gt=0, le=0.2, description="How far from mid depth is counted, as a ratio.")
    pause_seconds: float = Field(0.2, ge=0, le=60, description="Seconds between slices.")


class BudgetSettings(Section):
    """How much may happen by itself before a person must look."""

    trips: int = Field(
        20,
        ge=1,
        le=10_000,
        description="Trips in the window beyond which `flatten` falls back to `halt` and a page. A halt is never "
        "budgeted away.",
    )
    window_minutes: float = Field(10.0, gt=0, le=1440, description="Minutes the window is long.")


class PolicyRuleSettings(Section):
    """A grant: which alerts may ask for which actions on which scopes. Grants add up; what none gives is never done."""

    alerts: tuple[str, ...] = Field(min_length=1, description="Patterns of alert names (`*` and `?`).")
    actions: tuple[Action, ...] = Field(min_length=1, description="What they may ask for: page, reduce, halt, flatten.")
    scopes: tuple[Dimensions, ...] = Field(
        min_length=1,
        description="On which scopes: `global` or label names joined by commas, e.g. `venue,account,strategy`.",
    )
    max_reduce_minutes: float | None = Field(
        None,
        gt=0,
        le=10_080,
        description="Longest time in minutes that a `reduce` with a duration may ask for; null: no limit.",
    )
    keep: Literal["nothing", "protective"] = Field(
        "nothing",
        description="`protective`: a rule with the label `kill_keep: protective` may leave reduce-only stops standing, "
        "which then guard a position that nothing else does. `nothing`: every order goes.",
    )


class PolicySettings(Section):
    """What an alert may do."""

    missing_label: Literal["refuse", "widen"] = Field(
        "refuse",
        description="When an alert lacks a label that its scope names: `refuse` acts on nothing and pages; "
        "`widen` leaves that label free, which can stop far more than was meant.",
    )
    truncated: Literal["page", "halt"] = Field(
        "page", description="When Alertmanager cut alerts off a request: `page`, or `halt` everything."
    )
    budget: BudgetSettings = Field(
        BudgetSettings.model_construct(trips=20, window_minutes=10.0), description="The trip budget."
    )
    rules: tuple[PolicyRuleSettings, ...] = Field(
        (),
        description="The grants; at least one. An alert that none speaks of is refused, and a person is paged.",
    )


class StrategySettings(Section):
    """How to tell what belongs to one strategy."""

    venue: Name = Field(description="Value of the label `venue` where it trades.")
    account: Name = Field(description="Value of the label `account` where it trades.")
    client_order_id_prefixes: tuple[str, ...] = Field((), description="Its client order ids start with one of these.")
    exclusive: bool = Field(
        False,
        description="True when nothing else trades in this account (or, with `symbols`, on these symbols): then "
        "positions are "
        "its own and may be flattened. Saying true when it is not closes other people's positions.",
    )
    symbols: tuple[str, ...] | None = Field(
        None, min_length=1, description="Symbols it trades, in ccxt's form (`BTC/USDT:USDT`); null: any."
    )


class EdgeSettings(Section):
    """What venues, engines and notifiers have in common."""

    name: Name = Field(description="Unique name, used in metrics, logs and records.")
    adapter: str = Field(description="Which kind it is.")
    options: dict[str, Any] = Field(
        default_factory=dict, description="What the adapter needs; see its own page. Secrets only as `*_file` paths."
    )


class VenueSettings(EdgeSettings):
    """One exchange account that can be acted on."""

    venue: Name = Field(description="Value of the label `venue` of its alerts and orders.")
    account: Name = Field(description="Value of the label `account`.")
    mode: Mode = Field(
        "shadow",
        description="`shadow`: orders are read, nothing is ever sent. `live` arms it: orders are cancelled and "
        "positions closed.",
    )


class EngineSettings(EdgeSettings):
    """One trading program that can be told to stop."""

    mode: Mode = Field("shadow", description="`shadow`: it is never told anything. `live` arms it.")
    scope: ScopeText = Field(
        "global",
        description="What it trades: it is told to stop when a trip's scope overlaps this (`global`, "
        "`venue=binance`, ...).",
    )


class NotifierSettings(EdgeSettings):
    """One way to reach a person."""

    kinds: Annotated[tuple[Annotated[NoticeKind, Field(strict=False)], ...], BeforeValidator(_all_kinds)] = Field(
        tuple(NoticeKind),
        min_length=1,
        strict=False,  # a validator that runs before makes a plain list of it
        description="Which notices it gets: `all` or a list of kinds.",
    )
    severity: Literal["info", "warning", "error", "critical"] = Field(
        "warning", description="The least severity it gets."
    )


class Settings(Section):
    """The whole configuration."""

    mode: Mode = Field(
        "live",
        description="`shadow`: the whole service decides, journals and pages, and sends nothing to any venue or "
        "engine. "
        "`live`: each venue and engine follows its own mode.",
    )
    secrets_dir: Path = Field(
        Path(),
        description="Folder of the secrets: a `*_file` without a leading `/` is a name in it. Itself relative to the "
        "folder of this file. `make up` and Compose set it.",
    )
    listen: ListenSettings = Field(default_factory=lambda: ListenSettings.model_validate({}))
    logs: LogSettings = Field(default_factory=lambda: LogSettings.model_validate({}))
    store: StoreSettings = Field(default_factory=lambda: StoreSettings.model_validate({}))
    intake: IntakeSettings
    access: AccessSettings
    prometheus: PrometheusSettings = Field(default_factory=lambda: PrometheusSettings.model_validate({}))
    limits: LimitSettings = Field(default_factory=lambda: LimitSettings.model_validate({}))
    flatten: FlattenSettings = Field(default_factory=lambda: FlattenSettings.model_validate({}))
    policy: PolicySettings = Field(default_factory=lambda: PolicySettings.model_validate({}))
    strategies: dict[Name, StrategySettings] = Field(default_factory=dict)
    venues: tuple[VenueSettings, ...] = Field((), min_length=0)
    engines: tuple[EngineSettings, ...] = ()
    notifiers: tuple[NotifierSettings, ...] = ()
