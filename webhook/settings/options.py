"""What stands under ``options`` of each venue, engine and notifier, held against the kind of adapter that reads it."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from webhook.catalogue import Kind
from webhook.settings.document import dotted
from webhook.settings.faults import ConfigFault
from webhook.settings.words import told

Catalogues = Mapping[str, Mapping[str, Kind[Any]]]
"""For each section (``venues``, ``engines``, ``notifiers``) the kinds of adapter there are, by name."""


def option_faults(settings: Mapping[str, Any], catalogues: Catalogues) -> Iterator[ConfigFault]:
    """Adapters that nobody knows, and options that theirs do not take; *settings* holds the sections that are right."""
    for section, catalogue in catalogues.items():
        for index, edge in enumerate(settings.get(section) or ()):
            kind = catalogue.get(edge.adapter)
            if kind is None:
                known = ", ".join(sorted(catalogue))
                yield ConfigFault(f"{section}[{index}].adapter", f"{edge.adapter!r} is not one of {known}")
                continue
            try:
                kind.options.model_validate(edge.options)
            except ValidationError as error:
                # No text is repeated: it may be a secret in the wrong place.
                for _, place, words in told(error, kind.options, quoting=False):
                    yield ConfigFault(dotted((section, index, "options", *place)), words)
