"""The face for searches: QIDO-RS (PS3.18 10.6), and the list of origins.

A URL becomes `parameters`, these become a `plan` of one query or several, and `search` carries it out over
the bus.
"""

from isthmus.qido.app import routes
from isthmus.qido.parameters import SearchParameters, parse_parameters
from isthmus.qido.plan import Plan, Scope, Step
from isthmus.qido.settings import QidoSettings

__all__ = ["Plan", "QidoSettings", "Scope", "SearchParameters", "Step", "parse_parameters", "routes"]
