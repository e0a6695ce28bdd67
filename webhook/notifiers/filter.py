"""Which notices a destination wants."""

from dataclasses import dataclass

from webhook.notify.port import Notice, NoticeKind

SEVERITIES = ("info", "warning", "error", "critical")
"""From least to most severe; PagerDuty's words."""


@dataclass(frozen=True, slots=True)
class Filter:
    """``kinds``: the kinds wanted, None for all; ``severity``: the least severity wanted.

    A notice that resolves an incident is wanted whatever its severity: the destination may hold that incident open.
    """

    kinds: frozenset[NoticeKind] | None = None
    severity: str = "info"

    def __post_init__(self) -> None:
        if self.severity not in SEVERITIES:
            raise ValueError(f"severity must be one of {', '.join(SEVERITIES)}, got {self.severity!r}")

    def accepts(self, notice: Notice) -> bool:
        """Whether *notice* is wanted; an unknown severity counts as critical, so that it is not lost."""
        if self.kinds is not None and notice.kind not in self.kinds:
            return False
        if notice.resolves or notice.severity not in SEVERITIES:
            return True
        return SEVERITIES.index(notice.severity) >= SEVERITIES.index(self.severity)
