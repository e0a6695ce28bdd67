"""The description of the API, served by the API itself."""

from importlib.resources import files

from flask import Blueprint, Response


def document() -> str:
    """The text of ``openapi.yaml``."""
    return files("webhook.web").joinpath("openapi.yaml").read_text(encoding="utf-8")


def blueprint() -> Blueprint:
    """``GET /api/v1/openapi.yaml``: open."""
    description = Blueprint("description", __name__)
    text = document()

    @description.get("/api/v1/openapi.yaml")
    def openapi() -> Response:
        return Response(text, content_type="application/yaml")

    return description
