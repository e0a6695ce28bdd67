"""``andon serve``, ``check-config`` and ``operator``: what is done on the machine of the service itself."""

import argparse
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from webhook.access.operators import add_operator, parse_operators
from webhook.access.principal import Role
from webhook.cli import exits
from webhook.cli.tables import table
from webhook.settings import ConfigError, Settings, load
from webhook.settings.reference import reference
from webhook.settings.store_url import sqlite_path


def serve(options: argparse.Namespace) -> int:
    """Run the service until it is told to stop."""
    from webhook import serve as server  # noqa: PLC0415 - gunicorn and Flask, which other commands do not need

    return server.serve(lambda: load(options.config, os.environ))


def check_config(options: argparse.Namespace) -> int:
    """Tell every fault, or what the configuration would do."""
    if options.reference:
        sys.stdout.write(reference())
        return exits.OK
    from webhook import bootstrap  # noqa: PLC0415 - every adapter and its library

    settings = load(options.config, os.environ, bootstrap.CATALOGUES)
    faults = bootstrap.validate(settings)
    if faults:
        raise ConfigError(faults, source=str(options.config))
    sys.stdout.write(f"{options.config} is right.\n{_told(settings, bootstrap.unprovable(settings))}")
    return exits.OK


def _told(settings: Settings, unprovable: Mapping[str, str]) -> str:
    lines = [
        f"  mode {settings.mode}" + (": nothing is sent to any venue or engine" if settings.mode == "shadow" else "")
    ]
    for name, edges in (("venue accounts", settings.venues), ("engines", settings.engines)):
        armed = [edge.name for edge in edges if edge.mode == "live" and settings.mode == "live"]
        shadowed = [edge.name for edge in edges if edge.name not in armed]
        lines.append(f"  {name}: armed: {', '.join(armed) or 'none'}; in shadow: {', '.join(shadowed) or 'none'}")
    lines.append(f"  strategies: {', '.join(settings.strategies) or 'none'}")
    lines.append(f"  notifiers: {', '.join(one.name for one in settings.notifiers) or 'NONE: nobody is told anything'}")
    if not settings.venues:
        lines.append("  warning: without a venue account nothing can be cancelled")
    lines += [f"  warning: {name}: {why}" for name, why in unprovable.items()]
    if settings.prometheus.poll_seconds == 0:
        lines.append(
            "  warning: prometheus.poll_seconds is 0: a kill alert that Alertmanager does not bring is never seen"
        )
    database = sqlite_path(settings.store.url)
    if database is not None and not database.parent.is_dir():
        lines.append(f"  warning: the folder of store.url, {database.parent}, is not there on this machine")
    return "\n".join(lines) + "\n"


def operator_add(options: argparse.Namespace) -> int:
    """Mint a token; its hash goes into the file, the token to standard output, once."""
    path = _operators_file(options)
    expires = None if options.hours is None else datetime.now(UTC) + timedelta(hours=options.hours)
    token = add_operator(path, options.name, Role(options.role), expires)
    until = f"until {expires:%Y-%m-%d %H:%M} UTC" if expires else "until it is removed"
    sys.stderr.write(
        f"{options.name} may act as {options.role} {until}; {path} holds only the hash.\nThe token, shown once:\n"
    )
    sys.stdout.write(token + "\n")
    return exits.OK


def operator_list(options: argparse.Namespace) -> int:
    """Print who may act."""
    now = datetime.now(UTC)
    rows = []
    for one in parse_operators(_operators_file(options).read_text(encoding="utf-8")):
        expiry = "never" if one.expires_at is None else f"{one.expires_at:%Y-%m-%d %H:%M} UTC"
        if one.expires_at is not None and one.expires_at <= now:
            expiry += " (expired)"
        rows.append((one.principal.name, one.principal.role.value, expiry))
    sys.stdout.write(table(("NAME", "ROLE", "EXPIRES"), rows, indent="") + "\n")
    return exits.OK


def _operators_file(options: argparse.Namespace) -> Path:
    if options.file is not None:
        return Path(options.file)
    return load(options.config, os.environ).access.operators_file
