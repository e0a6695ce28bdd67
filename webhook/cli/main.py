"""The command line: what can be asked for, in words that teach, and what every failure is told as."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn, TypeAlias

from webhook.access.operators import ROLES
from webhook.cli import connect, exits
from webhook.cli.client import AnswerError, UnreachableError
from webhook.drill import options as drill_options
from webhook.errors import AndonError

_SCOPE = (
    "`global`, or labels joined by commas: venue=binance,symbol=BTC/USDT:USDT or strategy=mm-btc. "
    "Labels: venue, account, strategy, symbol; what is not named is left free"
)
_CONFIG = Path(os.environ.get("ANDON_CONFIG") or "/etc/andon/andon.yml")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(exits.USAGE, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:  # noqa: PLR0911 - one way to fail a line
    """Run one command; returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        # Loaded only now: in an emergency `andon trip` must not wait for the libraries of `andon serve`.
        module, name = options.run.split(":")
        code: int = getattr(importlib.import_module(module), name)(options)
    except UnreachableError as error:
        return _tell(f"andon: {error}", exits.UNREACHABLE)
    except AnswerError as error:
        return _tell(f"andon: {error} ({error.code})", exits.UNREACHABLE if error.status >= 500 else exits.FAILED)
    except (connect.TokenError, AndonError, ValueError) as error:
        return _tell(f"andon: {error}", exits.FAILED)
    except BrokenPipeError:
        sys.stderr.close()
        return exits.FAILED
    except OSError as error:
        return _tell(f"andon: {error.filename or ''}: {error.strerror or error}", exits.FAILED)
    except KeyboardInterrupt:
        return _tell("andon: interrupted; what was asked for before goes on", 130)
    return code


def _tell(message: str, code: int) -> int:
    sys.stderr.write(message + "\n")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="andon",
        description="The cord that stops trading: see what is stopped, pull it, and (two people together) release it.",
        epilog=exits.TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=_Parser)
    _people(names)
    _machine(names)
    return parser


Commands: TypeAlias = "argparse._SubParsersAction[_Parser]"  # noqa: SLF001 - argparse has no other name for it


def _add(names: Commands, name: str, summary: str, description: str = "") -> _Parser:
    return names.add_parser(
        name,
        help=summary,
        description=f"{summary[:1].upper()}{summary[1:]}. {description}".strip(),
        epilog=exits.TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _people(names: Commands) -> None:
    status = _add(names, "status", "show what is stopped, what is being done, and who is waited for")
    connect.add_options(status)
    status.set_defaults(run="webhook.cli.commands:status")

    trip = _add(
        names,
        "trip",
        "pull the cord: stop trading in a scope",
        "One person is enough, and a trip only ever makes things stricter.",
    )
    trip.add_argument(
        "--action",
        required=True,
        choices=("reduce", "halt", "flatten"),
        help="reduce: nothing may add exposure; halt: block engines, cancel every order, keep it so; "
        "flatten: halt, then close positions reduce-only",
    )
    trip.add_argument("--scope", required=True, help=_SCOPE)
    trip.add_argument("--reason", required=True, help="one sentence; it goes into the journal and into the page")
    trip.add_argument("--minutes", type=float, help="only for reduce: ends by itself after so long")
    trip.add_argument(
        "--keep",
        choices=("protective",),
        help="leave stops standing that can only close a position; every other order goes",
    )
    trip.add_argument(
        "--wait", action="store_true", help="print each stage, until the venue is verified empty (and flat)"
    )
    trip.add_argument(
        "--timeout", type=float, default=60.0, metavar="SECONDS", help="how long --wait waits (default: %(default)g)"
    )
    connect.add_options(trip)
    trip.set_defaults(run="webhook.cli.commands:trip")

    resume = _add(
        names,
        "resume",
        "ask to resume a scope",
        "Another person must approve it, and it is refused while a kill alert of that scope fires.",
    )
    resume.add_argument("--scope", required=True, help="exactly the scope that `andon status` shows")
    resume.add_argument("--reason", required=True, help="why it is safe again; it goes into the journal")
    connect.add_options(resume)
    resume.set_defaults(run="webhook.cli.commands:resume")

    approve = _add(names, "approve", "approve somebody else's request to resume")
    approve.add_argument("id", metavar="ID", help="as `andon status` shows it")
    connect.add_options(approve)
    approve.set_defaults(run="webhook.cli.commands:approve")

    withdraw = _add(names, "withdraw", "take a request to resume back")
    withdraw.add_argument("id", metavar="ID", help="as `andon status` shows it")
    connect.add_options(withdraw)
    withdraw.set_defaults(run="webhook.cli.commands:withdraw")

    verify = _add(
        names,
        "verify-audit",
        "walk the journal and name the first link that does not hold",
        "Over the API, or (with --store or --config) reading the store itself, so that the service need not be "
        "believed.",
    )
    verify.add_argument(
        "--head", metavar="SEQUENCE:HASH", help="an earlier head, kept elsewhere: proves that the end was not cut off"
    )
    source = verify.add_mutually_exclusive_group()
    source.add_argument("--store", metavar="URL", help="e.g. sqlite:////var/lib/andon/andon.db")
    source.add_argument("--config", type=Path, metavar="FILE", help="read the store that this configuration names")
    connect.add_options(verify)
    verify.set_defaults(run="webhook.cli.journal:verify_audit")

    drilling = _add(
        names,
        "drill",
        "break the sandbox for real and time the kill, from the breach to the verified empty book",
        "Refuses when the service has anything armed that is not the sandbox venue.",
    )
    drill_options.add_options(drilling)
    connect.add_options(drilling)
    drilling.set_defaults(run="webhook.drill.run:drill")


def _machine(names: Commands) -> None:
    serve = _add(names, "serve", "run the service")
    serve.add_argument(
        "--config", type=Path, default=_CONFIG, metavar="FILE", help="(default: $ANDON_CONFIG, else %(default)s)"
    )
    serve.set_defaults(run="webhook.cli.setup:serve")

    check = _add(
        names, "check-config", "tell every fault of a configuration, or what it would do; starts nothing, calls nobody"
    )
    check.add_argument(
        "--config", type=Path, default=_CONFIG, metavar="FILE", help="(default: $ANDON_CONFIG, else %(default)s)"
    )
    check.add_argument("--reference", action="store_true", help="print docs/configuration.md instead: every setting")
    check.set_defaults(run="webhook.cli.setup:check_config")

    operator = _add(names, "operator", "who may act: add a token, list the names")
    kinds = operator.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=_Parser)
    add = _add(kinds, "add", "mint a token for a person; shown once, only its hash is kept")
    add.add_argument("--name", required=True, help="who will act with it; unique, and written into the journal")
    add.add_argument(
        "--role",
        required=True,
        choices=ROLES,
        help="viewer: reads; trader: also trips and asks to resume; risk: also approves; admin: everything",
    )
    add.add_argument("--hours", type=float, help="the token expires after so many hours (default: never)")
    add.set_defaults(run="webhook.cli.setup:operator_add")
    show = _add(kinds, "list", "list the names, roles and expiries")
    show.set_defaults(run="webhook.cli.setup:operator_list")
    for one in (add, show):
        place = one.add_mutually_exclusive_group()
        place.add_argument("--file", type=Path, metavar="FILE", help="the operators' file itself")
        place.add_argument(
            "--config", type=Path, default=_CONFIG, metavar="FILE", help="the configuration that names it"
        )
