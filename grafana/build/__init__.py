"""Dashboards as code: `make dashboards` writes ../dashboards/*.json, which Grafana reads and which is committed.

A new dashboard is one module with `build() -> Dashboard` and one line in DASHBOARDS of __main__.py. Panels are made
with panels.py only, which sets what a panel of ours must have: title, description, unit, data source, ids.
"""
