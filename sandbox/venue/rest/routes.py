"""Every path of Binance's REST API that is served."""

from sandbox.venue.rest.route import Routes
from sandbox.venue.rest.spot.routes import ROUTES as SPOT
from sandbox.venue.rest.usdm.routes import ROUTES as USDM

ROUTES: Routes = {**SPOT, **USDM}
