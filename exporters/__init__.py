"""What the trading, the market and the host look like, as series for Prometheus.

Three programs out of one folder: ``python -m exporters system|market-data|trading``.  Each keeps its state in memory,
fed by sources in threads of their own (events, feeds, probes); a scrape only reads that state and never waits for a
disk or a socket. What is not known is absent, never zero: a rule can tell a missing series from a good one, but not a
false zero.
"""
