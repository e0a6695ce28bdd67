"""Pictures of the dashboards, drawn from their JSON and a live Prometheus: for pages and eyes where no Grafana runs."""
