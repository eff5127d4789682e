"""The resources of the Studies Service (PS3.18 10.1.1), as the paths of the gateway name them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from starlette.requests import Request

from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.uids import check_uid
from isthmus.common.errors import InvalidParameter, UnknownOrigin

ALL: Final = "all"
"""In place of an origin's name: all origins as one, at `/dicomweb`."""

LINKS: Final = "isthmus.links"
"""Where the scope of a request has the link to a study that was in its URL."""
LINKS_PATH: Final = "/links/"
"""What a path begins with that has a link in it: `/links/isl_.../aets/pacs/studies/1.2`."""
_ORIGIN_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
# A registered name, an IPv4 address or an IPv6 address in brackets, and perhaps a port (RFC 3986 3.2).
_HOST: Final = re.compile(r"(?:[0-9A-Za-z._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


def check_origin(name: str) -> str:
    """Give the name back if an origin can have it.

    Raises:
        UnknownOrigin: It is outside the grammar, or reserved, so that no origin is named so.
    """
    if name == ALL or not _ORIGIN_NAME.fullmatch(name):
        raise UnknownOrigin(name)
    return name


def origin_in(params: Mapping[str, str]) -> str:
    """Read the parameter `origin` of a route; a route without it is of `ALL`.

    Raises:
        UnknownOrigin: No origin can have this name.
    """
    return check_origin(params["origin"]) if "origin" in params else ALL


def service_path(origin: str) -> str:
    """Give the path of an origin's resources, or of those of `ALL`; append it to `public_base_url`."""
    return "/dicomweb" if origin == ALL else f"/aets/{origin}"


ROOTS: Final = (service_path("{origin}"), service_path(ALL))
"""What the routes of every face begin with: there are the same resources below both."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A study, series or instance at an origin."""

    origin: str
    """Its name, or `ALL`."""
    study: str
    """Study Instance UID."""
    series: str | None = None
    """Series Instance UID, of a series or instance."""
    instance: str | None = None
    """SOP Instance UID, of an instance."""

    @classmethod
    def from_path_params(cls, params: Mapping[str, str]) -> Self:
        """Read the parameters `origin`, `study`, `series` and `instance` of a route; without `origin`: `ALL`.

        Raises:
            UnknownOrigin: No origin can have this name.
            InvalidParameter: A UID is outside the grammar; names its keyword.
        """
        series, instance = params.get("series"), params.get("instance")
        return cls(
            origin=origin_in(params),
            study=check_uid(params["study"], "StudyInstanceUID"),
            series=None if series is None else check_uid(series, "SeriesInstanceUID"),
            instance=None if instance is None else check_uid(instance, "SOPInstanceUID"),
        )

    @property
    def level(self) -> Level:
        """The level of the Query/Retrieve model (PS3.4 C.6.2) at which it stands."""
        if self.instance is not None:
            return Level.IMAGE
        return Level.STUDY if self.series is None else Level.SERIES

    @property
    def path(self) -> str:
        """The path of its URL; append it to `public_base_url`."""
        path = f"{service_path(self.origin)}/studies/{self.study}"
        if self.series is not None:
            path += f"/series/{self.series}"
        if self.instance is not None:
            path += f"/instances/{self.instance}"
        return path

    def covers(self, other: "Resource") -> bool:
        """Tell whether the other is this one or a part of it."""
        return (
            (self.origin, self.study) == (other.origin, other.study)
            and self.series in {None, other.series}
            and self.instance in {None, other.instance}
        )


def public_base_url(request: Request) -> str:
    """Give the scheme and authority by which the client reached the gateway, for the URLs in answers.

    The gateway's reverse proxy tells the scheme in X-Forwarded-Proto and hands Host on. Who came by a link
    has it in all URLs that he is given, as a path in front of theirs: so he can follow them.

    Raises:
        InvalidParameter: The Host header is no host.
    """
    scheme = request.headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
    host = request.headers.get("host", request.url.netloc)
    if not _HOST.fullmatch(host):
        raise InvalidParameter("Host", "neither a name nor an address")
    shown = "".join(LINKS_PATH + link for link in request.scope.get(LINKS, ()))
    return f"{scheme if scheme in {'http', 'https'} else request.url.scheme}://{host}{shown}"
