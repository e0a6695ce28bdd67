"""Any exchange, by ccxt; what each exchange has is one file in `webhook.venues.ccxt.exchanges`."""
