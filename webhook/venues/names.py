"""What a symbol means: from what a label or a person writes to the markets of one account."""

from collections.abc import Collection, Iterable


class MarketNames:
    """The names of all markets of one account.  Immutable: a new one takes its place when markets are loaded again."""

    def __init__(self, markets: Iterable[tuple[str, Collection[str]]]) -> None:
        """*markets*: each unified symbol (``BTC/USDT:USDT``) with the exchange's own names of it (``BTCUSDT``)."""
        self._names: dict[str, frozenset[str]] = {}
        self._unified: dict[str, set[str]] = {}
        self._own: dict[str, set[str]] = {}
        self._loose: dict[str, set[str]] = {}
        for symbol, own in markets:
            self._names[symbol] = frozenset((symbol, *own))
            self._unified.setdefault(symbol.casefold(), set()).add(symbol)
            for name in own:
                self._own.setdefault(name.casefold(), set()).add(symbol)
            for key in (*map(_letters, own), *_written(symbol)):
                self._loose.setdefault(key, set()).add(symbol)

    def markets(self, text: str) -> frozenset[str]:
        """The unified symbols that *text* may mean.

        A unified symbol means itself, an exchange's own name every market that has it; else what is left without
        separators is compared, so that ``BTCUSDT`` means the spot market and the perpetual.
        """
        key = text.strip().casefold()
        return frozenset(self._unified.get(key) or self._own.get(key) or self._loose.get(_letters(key)) or ())

    def resolve(self, text: str) -> frozenset[str]:
        """The same, with the exchange's own names of these markets."""
        return frozenset(name for symbol in self.markets(text) for name in self._names[symbol])


def _letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def _written(symbol: str) -> set[str]:
    """How people write a unified symbol; dated futures and options only with their date."""
    pair, _, rest = symbol.partition(":")
    settle, dash, term = rest.partition("-")
    whole, base = _letters(pair), _letters(pair.partition("/")[0])
    if dash:
        return {_letters(symbol), whole + _letters(term)}
    if settle:
        return {
            _letters(symbol),
            whole,
            *(name + end for name in (base, whole) for end in ("perp", "perpetual", "swap")),
        }
    return {whole}
