"""How the faces keep the rules of `isthmus.common.auth`: who sends a request, and what he may see."""

from isthmus.common.access.http import AccessLayer, AccessRoute, PublicRoute, RequestAccess, access_of

__all__ = ["AccessLayer", "AccessRoute", "PublicRoute", "RequestAccess", "access_of"]
