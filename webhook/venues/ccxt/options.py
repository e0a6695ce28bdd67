"""The options of a ccxt venue."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from webhook.net import secret

_File = Annotated[Path, Field(strict=False)]
_Texts = Annotated[tuple[str, ...], Field(strict=False)]
_Seconds = Annotated[float, Field(gt=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Options(_Strict):
    """How to reach one account of one exchange.

    ``exchange``: ccxt's id.  ``symbols``: ccxt's unified symbols (``BTC/USDT:USDT``) where orders are expected.
    ``products``: all that the account can hold orders of (``spot``, ``usdm``, ...: see `docs/exchanges.md`); every
    product of the exchange when it is left out.  Nothing else is read or cancelled: leave a product out only where the
    account cannot hold any.  ``market_ids``: the exchange's own name of a symbol, for cancelling when markets could not
    be loaded.

    The keys come from files, and the killer should have its own: a key that only trades, without withdrawal.

    ``base_url`` replaces scheme and host of every address (a sandbox, a gateway); ``urls`` replaces single ones;
    ``options`` is handed to ccxt as it is; ``sandbox``: use the exchange's own test system.

    ``request_timeout_seconds`` bounds one request (the caller's timeout bounds the whole call);
    ``receive_window_ms``: how old a signed request may be when it arrives, where the exchange knows such a thing;
    ``connections``: how many are kept open and warm, 0 to choose by the number of symbols;
    ``keep_warm_seconds``: how often they are used so that nobody closes them, 0 for never.
    """

    exchange: str
    symbols: _Texts = ()
    products: _Texts = ()
    market_ids: dict[str, str] = Field(default_factory=dict)
    api_key_file: _File | None = None
    secret_file: _File | None = None
    password_file: _File | None = None
    uid_file: _File | None = None
    login_file: _File | None = None
    token_file: _File | None = None
    private_key_file: _File | None = None
    wallet_address_file: _File | None = None
    base_url: Annotated[str, Field(pattern=r"^https?://[^/]+$")] | None = None
    urls: dict[str, Any] = Field(default_factory=dict)
    options: dict[str, Any] = Field(default_factory=dict)
    sandbox: bool = False
    proxy: str | None = None
    verify_tls: bool = True
    ca_file: _File | None = None
    request_timeout_seconds: _Seconds = 1.5
    receive_window_ms: Annotated[int, Field(ge=1)] | None = None
    connections: Annotated[int, Field(ge=0, le=256)] = 0
    keep_warm_seconds: Annotated[float, Field(ge=0)] = 15.0

    def credentials(self) -> dict[str, str]:
        """Ccxt's names of the credentials that files were given for, with what the files hold."""
        given = {name: (field, getattr(self, field)) for name, field in CREDENTIAL_FIELDS.items()}
        return {name: secret.read(path, field) for name, (field, path) in given.items() if path is not None}


CREDENTIAL_FIELDS = {
    "apiKey": "api_key_file",
    "secret": "secret_file",
    "password": "password_file",
    "uid": "uid_file",
    "login": "login_file",
    "token": "token_file",
    "privateKey": "private_key_file",
    "walletAddress": "wallet_address_file",
}
"""Which option holds what ccxt calls by these names."""
