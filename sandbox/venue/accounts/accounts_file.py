"""The accounts file: which accounts there are, with which keys and deposits."""

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from sandbox.venue.accounts.account import Account, ApiKey


class AccountsFileError(Exception):
    """The accounts file cannot be used; the message says where and why."""


def load_accounts(path: Path) -> tuple[Account, ...]:
    """Read the accounts file (docs/sandbox.md says its shape); raises AccountsFileError."""
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise AccountsFileError(f"{path}: no such file (`make secrets` writes one)") from None
    except (OSError, ValueError) as error:
        raise AccountsFileError(f"{path}: {error}") from error
    try:
        accounts = tuple(_account(entry) for entry in content["accounts"])
    except KeyError as error:
        raise AccountsFileError(f"{path}: the field {error} is missing") from error
    except (TypeError, InvalidOperation) as error:
        raise AccountsFileError(f"{path}: not of the shape that docs/sandbox.md gives: {error}") from error
    names = [account.name for account in accounts]
    keys = [key.api_key for account in accounts for key in account.keys]
    for what, values in (("account name", names), ("api_key", keys)):
        if len(set(values)) != len(values):
            raise AccountsFileError(f"{path}: the same {what} appears twice")
    if not accounts:
        raise AccountsFileError(f"{path}: no accounts")
    return accounts


def _account(entry: Mapping[str, Any]) -> Account:
    return Account(
        name=str(entry["name"]),
        keys=tuple(
            ApiKey(name=str(key["name"]), api_key=str(key["api_key"]), secret=str(key["secret"]).encode())
            for key in entry["keys"]
        ),
        deposits={str(asset): Decimal(str(amount)) for asset, amount in entry["balances"].items()},
    )
