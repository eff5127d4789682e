"""The rules over HTTP: every route says what it takes to use it, and no request gets past that.

`AccessLayer` tells who sends a request; an `AccessRoute` sees that he may; its endpoint asks `access_of` for
the studies with which. A route that is neither an `AccessRoute` nor a `PublicRoute` is refused at start.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from isthmus.common.access.credentials import take_links
from isthmus.common.auth import Kind, Permit, Policy, Principal, Right, acting_as
from isthmus.common.auth.policy import WHOLE
from isthmus.common.dicomweb.problem import problem_response
from isthmus.common.dicomweb.resource import LINKS, origin_in
from isthmus.common.errors import BusUnavailable, Forbidden, IsthmusError, Unauthenticated, UnknownOrigin

PRINCIPAL: Final = "isthmus.principal"
"""Where the scope of a request has its `Principal`."""
POLICY: Final = "isthmus.policy"
"""Where it has the rules."""
ACCESS: Final = "isthmus.access"
"""Where it has its `RequestAccess`, once an `AccessRoute` has let it in."""
FAILURE: Final = "isthmus.authentication-failure"
"""Where it has the error of what its sender shows, or of his showing nothing: the audit tells why."""

Authenticate = Callable[[HTTPConnection], Awaitable[Principal]]
"""Tells who sends a request; raises Unauthenticated, or IdentityProviderAway."""


@dataclass(frozen=True, slots=True)
class RequestAccess:
    """What the rules say of a request."""

    principal: Principal
    right: Right | None
    """What it takes; None: any at all."""
    policy: Policy

    @property
    def _is_open(self) -> bool:
        """Whether there are no rules; a link opens its study alone then too."""
        return self.policy.is_open and self.principal.link is None

    def permit(self, origin: str) -> Permit:
        """Give with which studies of an origin the request may deal.

        Raises:
            UnknownOrigin: with none, and he may do nothing else there either, or it is not there.
            Unauthenticated: with none, and there is no credential.
            Forbidden: with none.
        """
        if self._is_open:
            return WHOLE
        if self.right is not None:
            return self.policy.require(self.principal, self.right, origin)
        if self.policy.knows(self.principal, origin):
            return WHOLE
        if not self.principal.is_known:
            raise Unauthenticated("There is no credential, or none that allows it")
        raise UnknownOrigin(origin)

    def permits(self, origins: Iterable[str]) -> Mapping[str, Permit]:
        """Give with which studies of some origins the request may deal; one where with none is left out."""
        if self._is_open:
            return dict.fromkeys(origins, WHOLE)
        if self.right is None:
            return {name: WHOLE for name in origins if self.policy.knows(self.principal, name)}
        permits = self.policy.permits(self.principal, self.right)
        return {name: permits[name] for name in origins if name in permits}

    def among(self, origins: Iterable[str]) -> list[str]:
        """Give those of some origins with which the request may deal at all, in their order."""
        return [*self.permits(origins)]

    def require_any(self) -> None:
        """See that there is an origin with which the request may deal: one of all of them names none.

        Raises:
            Unauthenticated: there is none, and no credential.
            Forbidden: there is none.
        """
        if self._is_open:
            return
        rights = Right if self.right is None else (self.right,)
        if any(self.policy.permits(self.principal, right) for right in rights):
            return
        if self.right is not None and self.policy.allows(self.principal, self.right):
            return
        if not self.principal.is_known:
            raise Unauthenticated("There is no credential, or none that allows it")
        raise Forbidden("Nothing of the kind is allowed at any origin")


def access_of(connection: HTTPConnection) -> RequestAccess:
    """Give what the rules say of a request that an `AccessRoute` has let in."""
    access = connection.scope[ACCESS]
    assert isinstance(access, RequestAccess)  # noqa: S101 - the route has put it there
    return access


class AccessRoute(Route):
    """A resource that takes a right: at the origin of its path, or at any where the path names none."""

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],  # as Starlette has it: a function of a request, or an ASGI application
        *,
        right: Right | None,
        methods: Collection[str] | None = None,
    ) -> None:
        """Make the route.

        Args:
            path: as Starlette's routes write it; its parameter `origin`, if any, is an origin's name.
            endpoint: what answers.
            right: what it takes; None: any right at all, for what tells only that an origin is there.
            methods: GET by default.
        """
        super().__init__(path, endpoint, methods=methods)
        self.right = right

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, if its sender may; what fails is raised, for Starlette's handlers."""
        access = RequestAccess(scope[PRINCIPAL], self.right, scope[POLICY])
        try:
            if "origin" in scope["path_params"]:
                access.permit(origin_in(scope["path_params"]))
            else:
                access.require_any()
        except Unauthenticated as error:
            scope[FAILURE] = error
            raise
        scope[ACCESS] = access
        with acting_as(access.principal, access.right):
            await super().handle(scope, receive, send)


class PublicRoute(Route):
    """A resource for everybody, which tells nothing that anybody could not know."""


def check_routes(routes: Sequence[BaseRoute]) -> None:
    """See that each route says what it takes.

    Raises:
        TypeError: one does not.
    """
    for route in routes:
        if not isinstance(route, AccessRoute | PublicRoute):
            raise TypeError(f"{route!r} says nothing of who may use it")


async def anyone(connection: HTTPConnection) -> Principal:
    """Tell nothing but the address of whoever sends a request."""
    return Principal(Kind.ANYONE, address=connection.client.host if connection.client else "")


class AccessLayer:
    """Tells, around the routes, who sends each request; who gives a wrong credential gets no further."""

    def __init__(
        self, app: ASGIApp, policy: Policy, authenticate: Authenticate, public: Collection[str] = ()
    ) -> None:
        """Prepare.

        Args:
            app: the routes.
            policy: the rules.
            authenticate: tells who it is.
            public: paths of public routes: of their senders nothing is asked.
        """
        self._app = app
        self._policy = policy
        self._authenticate = authenticate
        self._public = frozenset(public)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] in self._public:
            await self._app(scope, receive, send)
            return
        # In this very dictionary, as what follows: around us the trace and the audit trail look into it.
        take_links(scope)
        send = _kept_to_himself(send, is_linked=LINKS in scope)
        try:
            principal = await self._authenticate(HTTPConnection(scope))
        except IsthmusError as error:
            if not isinstance(error, BusUnavailable):  # without which there are no records either
                scope[FAILURE] = error
            await problem_response(error)(scope, receive, send)
            return
        scope[PRINCIPAL], scope[POLICY] = principal, self._policy
        await self._app(scope, receive, send)


def _kept_to_himself(send: Send, *, is_linked: bool) -> Send:
    """Have nobody between us and a client keep what is for him, or that there is nothing (RFC 9111 3).

    Where the URL is what opens it, no page tells the URL to others either.
    """

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.setdefault("Cache-Control", "private, no-cache")
            if is_linked:
                headers["Referrer-Policy"] = "no-referrer"
        await send(message)

    return send_with_headers
