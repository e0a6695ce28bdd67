"""The trading programs we can tell to stop.  A new kind of engine is one file here and one line in `ENGINES`."""

from webhook.actions.port import Engine
from webhook.catalogue import Kind
from webhook.engines import http, paper

ENGINES: dict[str, Kind[Engine]] = {
    "http": Kind(http.Options, http.build),
    "paper": Kind(paper.PaperOptions, paper.build),
}
"""``build(name, mode, scope, options, clock)``."""
