"""How the faces keep the rules of `isthmus.common.auth`: who asks, what he may see, and the record of it.

`authenticator` tells who it is, over HTTP and DIMSE, `studies` which studies a permit is for, `audit_trail`
writes down what was done. The layers around the routes of HTTP are in `http`, `load` and `audit_layer`.
"""

from isthmus.common.access.http import AccessLayer, AccessRoute, PublicRoute, RequestAccess, access_of

__all__ = ["AccessLayer", "AccessRoute", "PublicRoute", "RequestAccess", "access_of"]
