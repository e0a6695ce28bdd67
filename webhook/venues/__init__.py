"""The exchange accounts we can act on.  A new kind of venue is one file here and one line in `VENUES`."""

from collections.abc import Callable
from dataclasses import dataclass

from webhook.actions.port import Venue
from webhook.catalogue import Kind
from webhook.venues import paper
from webhook.venues.ccxt import coverage
from webhook.venues.ccxt import options as ccxt_options
from webhook.venues.ccxt import venue as ccxt_venue


@dataclass(frozen=True, slots=True)
class VenueKind(Kind[Venue]):
    """``build(name, venue, account, mode, options, clock)``.

    ``coverage_fault(options)`` says what makes "no open order" unprovable in the whole account, and the remedy;
    ``position_fault(options)`` the same of "no position".  None: nothing does.
    """

    coverage_fault: Callable[..., str | None]
    position_fault: Callable[..., str | None]


VENUES: dict[str, VenueKind] = {
    "ccxt": VenueKind(ccxt_options.Options, ccxt_venue.build, coverage.coverage_fault, coverage.position_fault),
    "paper": VenueKind(paper.PaperOptions, paper.build, paper.coverage_fault, paper.position_fault),
}
