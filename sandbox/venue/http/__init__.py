"""The venue over HTTP: the REST API, the market streams, the admin API, health and metrics."""
