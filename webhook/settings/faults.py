"""What is wrong with a configuration, in words a person can act on."""

from collections.abc import Iterable
from dataclasses import dataclass

from webhook.errors import PermanentError


@dataclass(frozen=True, slots=True, order=True)
class ConfigFault:
    """``path`` is dotted (``venues[0].options.api_key_file``); ``message`` says what is wrong and what would be right.

    ``line`` is where it stands in the file, when it stands there; ``origin`` the environment variable it came from.
    """

    path: str
    message: str
    line: int | None = None
    origin: str | None = None

    def __str__(self) -> str:
        where = self.path or "(the file)"
        if self.origin:
            where += f" (from {self.origin})"
        elif self.line:
            where += f" (line {self.line})"
        return f"{where}: {self.message}"


class ConfigError(PermanentError):
    """The configuration cannot be used; ``faults`` holds everything that was found."""

    def __init__(self, faults: Iterable[ConfigFault], *, source: str = "the configuration") -> None:
        self.faults = sorted(set(faults), key=lambda fault: (fault.line or 0, fault.path, fault.message))
        self.source = source
        super().__init__(str(self), reason="configuration")

    def __str__(self) -> str:
        count = len(self.faults)
        head = f"{self.source} has {count} fault{'' if count == 1 else 's'}; nothing was started:"
        return "\n".join([head, *(f"  - {fault}" for fault in self.faults)])
