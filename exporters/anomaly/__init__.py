"""The anomaly exporter: how unusual chosen series are, by half-space trees; it never acts."""
