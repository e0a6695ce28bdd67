"""Binance's REST API without HTTP: paths, parameters, signatures, limits, and how answers are written."""
