"""How a command finds the service and the token of the person who runs it."""

import argparse
import os
from pathlib import Path

from webhook.cli.client import Client

DEFAULT_URL = "http://127.0.0.1:8700"


class TokenError(Exception):
    """No token can be found; the message says where one may be."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of every command that speaks with the service."""
    parser.add_argument(
        "--url",
        default=os.environ.get("ANDON_URL") or DEFAULT_URL,
        help="where the service is (default: $ANDON_URL, else %(default)s)",
    )
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="file with your operator token (default: $ANDON_TOKEN, else ~/.config/andon/token); "
        "a token is never an argument, since others can see those",
    )
    parser.add_argument("--ca-file", type=Path, metavar="FILE", help="certificate authority of an https address")


def client(options: argparse.Namespace) -> Client:
    """The service, spoken to as the person whose token was found; raises `TokenError`."""
    return Client(options.url, token=token(options.token_file), ca_file=options.ca_file)


def token(given: Path | None) -> str:
    """The token from *given*, the environment or the home folder; raises `TokenError`."""
    if given is not None:
        return read_token(given)
    if os.environ.get("ANDON_TOKEN", "").strip():
        return os.environ["ANDON_TOKEN"].strip()
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "andon" / "token"
    if home.is_file():
        return read_token(home)
    raise TokenError(
        f"no operator token: give --token-file FILE, set ANDON_TOKEN, or put it into {home}. "
        "`andon operator add` mints one."
    )


def read_token(path: Path) -> str:
    """The token in a file; raises `TokenError`."""
    try:
        found = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise TokenError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if not found or any(character.isspace() for character in found):
        raise TokenError(f"{path} must hold one token and nothing else")
    return found
