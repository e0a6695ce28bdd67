"""The HTTP side of a rig: its app, and the app behind a real socket."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask
from werkzeug.serving import make_server

from tests.rig import Rig
from webhook.settings import Settings, load
from webhook.web.app import create_app


def app_of(rig: Rig, settings: Settings | None = None) -> Flask:
    """The app over a rig's service; *settings* where the app shall be told others than the service has."""
    made = rig.assembly
    return create_app(
        made.service, made.resumes, made.queries, settings or load(rig.folder / "andon.json", {}), made.telemetry
    )


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """The app at a free port of loopback; yields its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
