"""Any engine with an HTTP interface: its URLs, bodies and conditions of success are configuration.

A request is confirmed only when its condition of success holds; everything else raises.  Where the engine cannot be
told as precisely as the scope says, it is told more widely.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator

from webhook.actions.port import EngineCapabilities, EngineState
from webhook.clock import Clock
from webhook.engines.template import PLACEHOLDERS, fill_body, fill_url, names_in, select, select_named, values_of
from webhook.errors import PermanentError, TemporaryError, UnknownOutcomeError
from webhook.killswitch.scope import DIMENSIONS, GLOBAL, Scope
from webhook.net import secret
from webhook.net.http import Answer, Outbound

_File = Annotated[Path, Field(strict=False)]
_Statuses = Annotated[tuple[int, ...], Field(strict=False, min_length=1)]
_URL = r"^https?://[^/{}]+(/.*)?$"
"""A placeholder may stand in the path and after it: never in the host."""
_STATES = {state.value: state for state in EngineState}

_TEMPORARY = {408: "busy", 409: "busy", 423: "busy", 425: "busy", 429: "rate_limited", 503: "unavailable"}
_PERMANENT = {401: "unauthorised", 403: "forbidden", 404: "not_found"}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Condition(_Strict):
    """``path``: what to look at (keys joined by dots, ``*`` for every one); each must equal ``equals``.

    ``equals`` may be a list: one of these.  Nothing found at the path is no success, unless ``allow_empty``.
    """

    path: str
    equals: JsonValue
    allow_empty: bool = False

    def fault(self, document: Any) -> str | None:
        """Why the condition does not hold, or None when it does."""
        found = select(document, self.path)
        allowed = self.equals if isinstance(self.equals, list) else [self.equals]
        if not found:
            return None if self.allow_empty else f"nothing at {self.path}"
        wrong = [value for value in found if value not in allowed or isinstance(value, bool) != _has_bool(allowed)]
        return f"{self.path} is {wrong[0]!r}, expected {self.equals!r}" if wrong else None


def _has_bool(allowed: list[Any]) -> bool:
    """Whether truth values are meant: in Python 1 == True, in JSON it does not."""
    return any(isinstance(value, bool) for value in allowed)


class Success(_Strict):
    """When an answer confirms: its status is one of ``status``, and the ``json`` conditions hold, if there are any."""

    status: _Statuses = (200,)
    json_: Annotated[tuple[Condition, ...], Field(alias="json", strict=False)] = ()

    @field_validator("json_", mode="before")
    @classmethod
    def _one_or_several(cls, given: Any) -> Any:
        return (given,) if isinstance(given, Mapping | Condition) else given


class Call(_Strict):
    """One request; ``url`` and ``body`` may hold the placeholders of `webhook.engines.template`, e.g. ``{strategy}``.

    ``wide_url`` is used instead when the scope leaves a placeholder of ``url`` free.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    url: Annotated[str, Field(pattern=_URL)]
    wide_url: Annotated[str, Field(pattern=_URL)] | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    body: JsonValue = None
    success: Success = Success()

    @model_validator(mode="after")
    def _a_free_placeholder_has_a_way_out(self) -> "Call":
        free = sorted(names_in(self.url) & set(DIMENSIONS))
        if free and self.wide_url is None:
            raise ValueError(f"a scope may leave {{{free[0]}}} free: say which wide_url to use then")
        if self.wide_url is not None and names_in(self.wide_url) & set(DIMENSIONS):
            raise ValueError("wide_url may not hold placeholders that a scope can leave free")
        return self


class Status(Call):
    """How to read the state.  ``parts``: where the parts of the engine are, e.g. ``strategies.*`` (empty: the answer).

    ``state``: the path of the state inside a part; ``states``: the engine's words for ours.  ``labels``: where in a
    part its labels are, e.g. ``{strategy: "@key", venue: venue}``; a part whose labels rule it out of the scope is left
    out, one without them is not.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    parts: str = ""
    state: str = "state"
    states: dict[str, Literal["running", "reduce_only", "blocked", "unknown"]]
    labels: dict[Literal["venue", "account", "strategy", "symbol"], str] = Field(default_factory=dict)


class Options(_Strict):
    """``scopes``: the labels this engine can be stopped by (none: only as a whole).

    Give one way to prove who we are: ``token_file`` (sent as ``Authorization: <scheme> <token>``), or ``username`` with
    ``password_file``; ``header_files`` adds headers whose values are secrets.  ``block``, ``resume`` and
    ``reduce_only`` each need ``success``: what confirms them.  ``reduce_only``, ``status`` and ``ping`` may be left out
    when the engine has no such thing.
    """

    block: Call
    resume: Call
    reduce_only: Call | None = None
    status: Status | None = None
    ping: Call | None = None
    scopes: Annotated[tuple[Literal["venue", "account", "strategy", "symbol"], ...], Field(strict=False)] = ()
    token_file: _File | None = None
    scheme: str = "Bearer"
    username: str | None = None
    password_file: _File | None = None
    header_files: dict[str, _File] = Field(default_factory=dict)
    verify_tls: bool = True
    ca_file: _File | None = None

    @model_validator(mode="after")
    def _one_way_to_log_in(self) -> "Options":
        if self.token_file is not None and self.username is not None:
            raise ValueError("give token_file or username with password_file, not both")
        if (self.username is None) != (self.password_file is None):
            raise ValueError("username and password_file belong together")
        return self

    @model_validator(mode="after")
    def _every_command_says_what_confirms_it(self) -> "Options":
        for name in ("block", "resume", "reduce_only"):
            call = getattr(self, name)
            if call is not None and not ("success" in call.model_fields_set and call.success.model_fields_set):
                raise ValueError(
                    f"{name} has no success condition: say which answer confirms it, by success.json (what the body "
                    "shows) or, where the engine answers without one, by success.status; an answer alone proves nothing"
                )
        return self

    @model_validator(mode="after")
    def _no_placeholder_is_unknown_to_the_engine(self) -> "Options":
        for name in ("block", "resume", "reduce_only", "status", "ping"):
            call = getattr(self, name)
            for used in sorted(names_in([call.url, call.body]) & set(DIMENSIONS)) if call else ():
                if used not in self.scopes:
                    raise ValueError(f"{name} uses {{{used}}}, which is not in scopes")
        return self


class HttpEngine:
    """A trading program behind HTTP; safe to call from several threads."""

    def __init__(self, name: str, *, mode: str, scope: Scope, options: Options, clock: Clock) -> None:
        self.name, self.mode, self.scope = name, mode, scope
        self.capabilities = EngineCapabilities(
            scopes=options.scopes,
            reduce_only=options.reduce_only is not None,
            status=options.status is not None,
        )
        self._options = options
        self._clock = clock
        headers = {field: secret.read(path, f"header_files.{field}") for field, path in options.header_files.items()}
        secrets = list(headers.values())
        auth = None
        if options.token_file is not None:
            token = secret.read(options.token_file, "token_file")
            headers["Authorization"] = f"{options.scheme} {token}"
            secrets.append(token)
        if options.username is not None and options.password_file is not None:
            auth = (options.username, secret.read(options.password_file, "password_file"))
            secrets.append(auth[1])
        verify: bool | str = str(options.ca_file) if options.ca_file else options.verify_tls
        self._outbound = Outbound(name, headers=headers, auth=auth, secrets=secrets, verify=verify)

    def block(self, part: Scope, reason: str, timeout: float) -> EngineState:
        """Stop sending orders in *part*; raises unless the engine confirms."""
        self._call("block", self._options.block, part, reason, timeout)
        return EngineState.BLOCKED

    def reduce_only(self, part: Scope, reason: str, timeout: float) -> EngineState:
        """Send nothing that adds exposure; blocks where the engine has no such state."""
        if self._options.reduce_only is None:
            return self.block(part, reason, timeout)
        self._call("reduce_only", self._options.reduce_only, part, reason, timeout)
        return EngineState.REDUCE_ONLY

    def resume(self, part: Scope, reason: str, timeout: float) -> EngineState:
        """Trade again; raises unless the engine confirms."""
        self._call("resume", self._options.resume, part, reason, timeout)
        return EngineState.RUNNING

    def status(self, parts: Sequence[Scope], timeout: float) -> Mapping[Scope, EngineState]:
        """The least restricted of what the engine shows in each part; one request where its URL names no part.

        UNKNOWN when nothing is shown or a word is not known, unless something else in the part runs.
        """
        described = self._options.status
        if described is None:
            return dict.fromkeys(parts, EngineState.UNKNOWN)
        if names_in([described.url, described.body]) & set(DIMENSIONS):
            return {part: self._states(described, part, self._document(described, part, timeout)) for part in parts}
        document = self._document(described, GLOBAL, timeout)
        return {part: self._states(described, part, document) for part in parts}

    def _document(self, described: Status, part: Scope, timeout: float) -> Any:
        return self._json("status", self._call("status", described, part, "", timeout))

    @staticmethod
    def _states(described: Status, scope: Scope, document: Any) -> EngineState:
        states = []
        for name, shown in select_named(document, described.parts):
            if not _may_be_in(scope, described.labels, name, shown):
                continue
            words = select(shown, described.state)
            states.append(_STATES[described.states.get(str(words[0]), "unknown")] if words else EngineState.UNKNOWN)
        return min(states, key=lambda state: state.rank, default=EngineState.UNKNOWN)

    def ping(self, timeout: float) -> float:
        """One harmless request: ``ping``, or ``status``, in seconds; without either, only a connection is tried."""
        call = self._options.ping or self._options.status
        if call is not None:
            return self._call("ping", call, GLOBAL, "", timeout).seconds
        return self._outbound.request(
            "HEAD", self._options.block.wide_url or self._options.block.url, timeout=timeout
        ).seconds

    def close(self) -> None:
        """Close the kept-alive connections."""
        self._outbound.close()

    def _call(self, what: str, call: Call, scope: Scope, reason: str, timeout: float) -> Answer:
        values = values_of(scope, reason, self.capabilities.scopes)
        url = fill_url(call.url, values) or fill_url(call.wide_url or "", values)
        if not url:
            raise PermanentError(f"{self.name}: no URL to {what} {scope}", reason="bad_url")
        body = fill_body(call.body, values)
        answer = self._outbound.request(call.method, url, timeout=timeout, body=body, headers=call.headers)
        if answer.status not in call.success.status:
            raise self._refusal(what, answer)
        if call.success.json_:
            document = self._json(what, answer)
            for condition in call.success.json_:
                if fault := condition.fault(document):
                    message = f"{self.name}: {what} is not confirmed: {self._outbound.redact(fault)[:300]}"
                    raise TemporaryError(message, reason="not_confirmed")
        return answer

    def _json(self, what: str, answer: Answer) -> Any:
        try:
            return answer.json()
        except ValueError:
            message = f"{self.name}: {what} was answered {answer.status} without JSON: {self._outbound.excerpt(answer)}"
            raise UnknownOutcomeError(message, reason="not_json") from None

    def _refusal(self, what: str, answer: Answer) -> Exception:
        message = f"{self.name}: {what} was answered {answer.status}: {self._outbound.excerpt(answer)}"
        if answer.status in _TEMPORARY:
            return TemporaryError(message, reason=_TEMPORARY[answer.status], retry_after=answer.retry_after)
        if answer.status >= 500:
            # The engine may have acted before it failed; freqtrade answers 502 for every refused command.
            return UnknownOutcomeError(message, reason="server_error")
        return PermanentError(message, reason=_PERMANENT.get(answer.status, "refused"))


def _may_be_in(scope: Scope, labels: Mapping[Any, str], name: str, part: Any) -> bool:
    """Whether a part of the engine can trade in *scope*: no label that it shows says otherwise."""
    for dimension, path in labels.items():
        wanted = scope.get(dimension)
        shown = [name] if path == "@key" else select(part, path)
        shown = [value for each in shown for value in (each if isinstance(each, list) else [each]) if value is not None]
        if wanted is not None and shown and wanted not in [str(value) for value in shown]:
            return False
    return True


def build(*, name: str, mode: str, scope: Scope, options: Options, clock: Clock) -> HttpEngine:
    """Make the engine; raises `PermanentError` for a secret that is missing."""
    return HttpEngine(name, mode=mode, scope=scope, options=options, clock=clock)


__all__ = ["PLACEHOLDERS", "Call", "Condition", "HttpEngine", "Options", "Status", "Success", "build"]
