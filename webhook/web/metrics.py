"""The service's own metrics for Prometheus."""

from flask import Blueprint, Response, request
from prometheus_client.exposition import choose_encoder

from webhook.web.context import Context


def blueprint(context: Context) -> Blueprint:
    """``GET /metrics``: open, as Prometheus expects; keep it on an internal network."""
    metrics = Blueprint("metrics", __name__)

    @metrics.get("/metrics")
    def scrape() -> Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return Response(encode(context.telemetry.registry), content_type=content_type)

    return metrics
