"""A stand-in for PagerDuty and Slack: answers as their documentation says, and shows what it was sent.

`POST /v2/enqueue` is PagerDuty's Events API v2, `POST /services/T/B/X` a Slack incoming webhook; `GET /` is a page for
people, `GET /pages` the same as JSON.  Everything is in memory.  A fault makes the next answers fail on purpose.
"""

import argparse
import asyncio
import html
import json
import signal
import sys
import uuid
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

KEPT_PAGES = 1000
LARGEST_EVENT = 512 * 1024
ACTIONS = {"trigger": "triggered", "acknowledge": "acknowledged", "resolve": "resolved"}
SEVERITIES = ("critical", "error", "warning", "info")
ROUTING_KEY_LENGTH = 32
DEDUP_KEY_LENGTH = 255
SUMMARY_LENGTH = 1024


@dataclass(frozen=True, slots=True)
class Page:
    """One thing that somebody would have been told."""

    number: int
    time: str
    service: str
    action: str
    severity: str
    text: str
    key: str
    body: Mapping[str, Any]


@dataclass(slots=True)
class Incident:
    """What PagerDuty makes of the events with one dedup key."""

    dedup_key: str
    status: str
    summary: str
    severity: str
    source: str
    opened_at: str
    changed_at: str
    events: int = 1


@dataclass(slots=True)
class Fault:
    """The next `count` answers under `path` are this status (after `delay_seconds`)."""

    status: int
    count: int
    path: str = "/"
    retry_after: int = 1
    delay_seconds: float = 0.0


@dataclass(slots=True)
class Pager:
    """Everything received."""

    pages: deque[Page] = field(default_factory=lambda: deque(maxlen=KEPT_PAGES))
    incidents: dict[tuple[str, str], Incident] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    received: dict[tuple[str, str], int] = field(default_factory=dict)
    failed: int = 0
    numbers: int = 0

    def page(self, service: str, action: str, severity: str, text: str, key: str, body: Mapping[str, Any]) -> None:
        """Keep a page and say it aloud."""
        self.numbers += 1
        page = Page(self.numbers, _now(), service, action, severity, text, key, body)
        self.pages.append(page)
        self.received[service, action] = self.received.get((service, action), 0) + 1
        one_line = " ".join(text.split())
        sys.stdout.write(f"{page.time} {service:<9} {action:<11} {severity:<8} {one_line} [{key}]\n")
        sys.stdout.flush()

    def take_fault(self, path: str) -> Fault | None:
        """The fault that this request meets, used up by one."""
        found = next((one for one in self.faults if path.startswith(one.path)), None)
        if found is not None:
            self.failed += 1
            found.count -= 1
            if found.count <= 0:
                self.faults.remove(found)
        return found

    def open_incidents(self) -> list[Incident]:
        """Those not resolved, newest change first."""
        unresolved = [one for one in self.incidents.values() if one.status != "resolved"]
        return sorted(unresolved, key=lambda one: one.changed_at, reverse=True)


def event_faults(event: Any) -> list[str]:
    """What PagerDuty would object to in an event; nothing for a good one."""
    if not isinstance(event, dict):
        return ["Event object must be a JSON object"]
    faults: list[str] = []
    key = event.get("routing_key")
    if not isinstance(key, str) or not key:
        faults.append("'routing_key' is missing or blank")
    elif len(key) != ROUTING_KEY_LENGTH:
        faults.append("Length of 'routing_key' is incorrect (should be 32 characters)")
    action = event.get("event_action")
    if action not in ACTIONS:
        faults.append("'event_action' must be one of trigger, acknowledge, resolve")
    dedup = event.get("dedup_key")
    if dedup is not None and (not isinstance(dedup, str) or len(dedup) > DEDUP_KEY_LENGTH):
        faults.append("'dedup_key' is too long (maximum is 255 characters)")
    if action in {"acknowledge", "resolve"} and not dedup:
        faults.append("'dedup_key' is missing or blank")
    if action == "trigger":
        faults += _payload_faults(event.get("payload"))
    return faults


def _payload_faults(payload: Any) -> list[str]:
    if not isinstance(payload, dict):
        return ["'payload' is missing or blank"]
    faults = [
        f"'payload.{name}' is missing or blank"
        for name in ("summary", "source", "severity")
        if not isinstance(payload.get(name), str) or not payload[name]
    ]
    if isinstance(payload.get("summary"), str) and len(payload["summary"]) > SUMMARY_LENGTH:
        faults.append("'payload.summary' is too long (maximum is 1024 characters)")
    if payload.get("severity") and payload["severity"] not in SEVERITIES:
        faults.append("'payload.severity' is invalid (must be one of critical, error, warning, info)")
    return faults


class Server:
    """The HTTP side of a pager."""

    def __init__(self, pager: Pager) -> None:
        self._pager = pager

    def application(self) -> web.Application:
        """The routes."""
        application = web.Application(client_max_size=LARGEST_EVENT)
        application.add_routes(
            [
                web.post("/v2/enqueue", self.enqueue),
                web.post("/services/{team}/{bot}/{secret}", self.slack),
                web.get("/pages", self.pages),
                web.delete("/pages", self.forget),
                web.get("/", self.front),
                web.post("/admin/faults", self.add_fault),
                web.get("/admin/faults", self.list_faults),
                web.delete("/admin/faults", self.clear_faults),
                web.get("/healthz", self.health),
                web.get("/metrics", self.metrics),
            ]
        )
        return application

    async def enqueue(self, request: web.Request) -> web.Response:
        """One event for PagerDuty."""
        if fault := self._pager.take_fault(request.path):
            await asyncio.sleep(fault.delay_seconds)
            if fault.status == 429:
                content = {
                    "status": "throttle exceeded",
                    "message": "Requests for this service are arriving too quickly.",
                }
                return web.json_response(content, status=429, headers={"Retry-After": str(fault.retry_after)})
            return web.json_response({"status": "error", "message": "out of order"}, status=fault.status)
        try:
            event = json.loads(await request.text())
        except ValueError:
            event = None
        if faults := event_faults(event):
            refused = {"status": "invalid event", "message": "Event object is invalid", "errors": faults}
            return web.json_response(refused, status=400)
        dedup_key = event.get("dedup_key") or uuid.uuid4().hex
        self._record(event, dedup_key)
        content = {"status": "success", "message": "Event processed", "dedup_key": dedup_key}
        return web.json_response(content, status=202)

    def _record(self, event: Mapping[str, Any], dedup_key: str) -> None:
        action, payload = event["event_action"], event.get("payload") or {}
        now, key = _now(), (event["routing_key"], dedup_key)
        incident = self._pager.incidents.get(key)
        reopened = incident is not None and incident.status == "resolved"
        if action == "trigger" and (incident is None or reopened):
            incident = self._pager.incidents[key] = Incident(
                dedup_key=dedup_key,
                status=ACTIONS[action],
                summary=payload["summary"],
                severity=payload["severity"],
                source=payload["source"],
                opened_at=now,
                changed_at=now,
            )
        elif incident is not None and not reopened:
            incident.events += 1
            incident.changed_at = now
            # A second trigger joins the open incident and does not take an acknowledgement away.
            if action != "trigger":
                incident.status = ACTIONS[action]
        summary = payload.get("summary") or (incident.summary if incident else "no such incident")
        severity = payload.get("severity") or (incident.severity if incident else "-")
        # The routing key is a secret: it is compared, never shown.
        shown = {name: value for name, value in event.items() if name != "routing_key"}
        self._pager.page("pagerduty", action, severity, summary, dedup_key, shown)

    async def slack(self, request: web.Request) -> web.Response:
        """One message for Slack."""
        if fault := self._pager.take_fault(request.path):
            await asyncio.sleep(fault.delay_seconds)
            headers = {"Retry-After": str(fault.retry_after)} if fault.status == 429 else {}
            return web.Response(text="rate_limited" if headers else "fatal_error", status=fault.status, headers=headers)
        body = await request.text()
        if request.content_type == "application/x-www-form-urlencoded":
            body = (parse_qs(body).get("payload") or [""])[0]
        try:
            message = json.loads(body)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            return web.Response(text="invalid_payload", status=400)
        text = slack_text(message)
        if not text:
            return web.Response(text="no_text", status=400)
        self._pager.page("slack", "message", "-", text, request.match_info["bot"], message)
        return web.Response(text="ok")

    async def pages(self, _: web.Request) -> web.Response:
        """Everything as JSON, oldest first."""
        pages = [{name: getattr(one, name) for name in one.__slots__} for one in self._pager.pages]
        incidents = [{name: getattr(one, name) for name in one.__slots__} for one in self._pager.incidents.values()]
        return web.json_response({"pages": pages, "incidents": incidents})

    async def forget(self, _: web.Request) -> web.Response:
        """Forget all pages and incidents."""
        self._pager.pages.clear()
        self._pager.incidents.clear()
        return web.json_response({"pages": [], "incidents": []})

    async def front(self, _: web.Request) -> web.Response:
        """Everything for people, newest first."""
        return web.Response(text=_front_page(self._pager), content_type="text/html")

    async def add_fault(self, request: web.Request) -> web.Response:
        """`{"status": 500, "count": 3, "path": "/v2", "retry_after": 2, "delay_seconds": 0}`; only `status` must be."""
        try:
            content = json.loads(await request.text())
            fault = Fault(
                status=int(content["status"]),
                count=int(content.get("count", 1)),
                path=str(content.get("path", "/")),
                retry_after=int(content.get("retry_after", 1)),
                delay_seconds=float(content.get("delay_seconds", 0)),
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            return web.json_response({"error": f"not a fault: {error!r}"}, status=400)
        if not 100 <= fault.status <= 599 or fault.count < 1 or fault.delay_seconds < 0:
            return web.json_response({"error": "status: an HTTP status; count: above 0"}, status=400)
        self._pager.faults.append(fault)
        return await self.list_faults(request)

    async def list_faults(self, _: web.Request) -> web.Response:
        """The faults still to come."""
        faults = [{name: getattr(one, name) for name in one.__slots__} for one in self._pager.faults]
        return web.json_response({"faults": faults})

    async def clear_faults(self, request: web.Request) -> web.Response:
        """No faults."""
        self._pager.faults.clear()
        return await self.list_faults(request)

    async def health(self, _: web.Request) -> web.Response:
        """Well."""
        return web.json_response({"ok": True})

    async def metrics(self, _: web.Request) -> web.Response:
        """Counters in Prometheus' text format."""
        pager = self._pager
        lines = ["# HELP sandbox_pager_pages_total Pages received.", "# TYPE sandbox_pager_pages_total counter"]
        for (service, action), number in pager.received.items():
            lines.append(f'sandbox_pager_pages_total{{service="{service}",action="{action}"}} {number}')
        lines += [
            "# HELP sandbox_pager_failures_total Requests failed on purpose.",
            "# TYPE sandbox_pager_failures_total counter",
            f"sandbox_pager_failures_total {pager.failed}",
            "# HELP sandbox_pager_open_incidents Incidents not resolved.",
            "# TYPE sandbox_pager_open_incidents gauge",
            f"sandbox_pager_open_incidents {len(pager.open_incidents())}",
        ]
        body = ("\n".join(lines) + "\n").encode()
        return web.Response(body=body, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})


def slack_text(message: Mapping[str, Any]) -> str:
    """What a message says: its text, else what its attachments or blocks hold."""
    if isinstance(message.get("text"), str) and message["text"].strip():
        return str(message["text"]).strip()
    found: list[str] = []
    for attachment in _dicts(message.get("attachments")):
        words = (attachment.get(name) for name in ("title", "text", "fallback"))
        found += [one for one in words if isinstance(one, str) and one.strip()][:2]
    for block in _dicts(message.get("blocks")):
        text = block.get("text")
        if isinstance(text, dict) and isinstance(text.get("text"), str):
            found.append(text["text"])
    return "\n".join(found).strip()


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _front_page(pager: Pager) -> str:
    unresolved = pager.open_incidents()
    incidents = "".join(
        f"<tr class='{html.escape(one.severity)}'><td>{html.escape(one.status)}<td>{html.escape(one.severity)}"
        f"<td>{html.escape(one.summary)}<td>{html.escape(one.source)}<td>{html.escape(one.opened_at)}"
        f"<td><code>{html.escape(one.dedup_key)}</code></tr>"
        for one in unresolved
    )
    pages = "".join(
        f"<tr class='{html.escape(one.severity)}'><td>{html.escape(one.time)}<td>{html.escape(one.service)}"
        f"<td>{html.escape(one.action)}<td>{html.escape(one.severity)}<td><pre>{html.escape(one.text)}</pre></tr>"
        for one in reversed(pager.pages)
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="3">
<title>{len(unresolved)} open · sandbox pager</title>
<style>
body {{ font: 15px/1.45 system-ui, sans-serif; margin: 2rem; color: #1b1f24; background: #fff }}
table {{ border-collapse: collapse; width: 100%; margin-bottom: 2rem }}
th, td {{ text-align: left; padding: .35rem .7rem; border-bottom: 1px solid #d5dae0; vertical-align: top }}
pre {{ margin: 0; white-space: pre-wrap; font: inherit }}
.critical td:nth-child(2), .critical td:nth-child(4) {{ color: #a40e26; font-weight: 600 }}
</style></head><body>
<h1>Sandbox pager</h1>
<p>A stand-in for PagerDuty and Slack. Nobody is woken by what stands here.</p>
<h2>{len(unresolved)} open incident{"" if len(unresolved) == 1 else "s"}</h2>
<table><thead><tr><th>Status<th>Severity<th>What<th>From<th>Since<th>Dedup key</tr></thead>
<tbody>{incidents}</tbody></table>
<h2>Pages, newest first</h2>
<table><thead><tr><th>When<th>Service<th>Action<th>Severity<th>What</tr></thead><tbody>{pages}</tbody></table>
</body></html>
"""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def main(argv: list[str]) -> int:
    """Run until SIGINT or SIGTERM; 2 when the port cannot be had."""
    parser = argparse.ArgumentParser(prog="python -m sandbox pager", description="A stand-in for PagerDuty and Slack.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=int, default=8730, help="port, 0 for a free one (default %(default)s)")
    options = parser.parse_args(argv)
    try:
        return asyncio.run(_run(options.host, options.port))
    except OSError as error:
        sys.stderr.write(f"sandbox pager: {options.host}:{options.port}: {error}\n")
        return 2


async def _run(host: str, port: int) -> int:
    runner = web.AppRunner(Server(Pager()).application(), access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    bound = runner.addresses[0]
    sys.stdout.write(f"sandbox pager on http://{bound[0]}:{bound[1]}\n")
    sys.stdout.flush()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await runner.cleanup()
    return 0
