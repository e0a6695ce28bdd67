"""Who owns what: accounts with their keys, balances, positions and margin."""
