"""What the services can do, told to whoever asks with OPTIONS (PS3.18 8.9)."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from isthmus.common.config import Inbox
from isthmus.common.dicomweb.accept import accepted_by, negotiate
from isthmus.common.dicomweb.capabilities import WADL, capabilities_json, wadl
from isthmus.common.dicomweb.methods import methods_at
from isthmus.common.dicomweb.offers import JSON
from isthmus.common.dicomweb.resource import ALL, origin_in, public_base_url, service_path
from isthmus.qido.settings import QidoSettings


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Answers OPTIONS of the service roots; the root of all is that of all origins at once."""

    settings: QidoSettings

    async def describe(self, request: Request) -> Response:
        """Give the capabilities as WADL, or as JSON.

        Raises:
            UnknownOrigin: no such origin is configured.
            NotAcceptable: the client takes neither.
        """
        origin = origin_in(request.path_params)
        deletes = origin != ALL and isinstance(self.settings.origin(origin), Inbox)
        choice = negotiate(accepted_by(request), [WADL, JSON])
        base_url = f"{public_base_url(request)}{service_path(origin)}"
        write = wadl if choice.offer is WADL else capabilities_json
        content = write(base_url, deletes=deletes)
        allowed = ", ".join(methods_at(request.scope["path"], ()))
        return Response(content, media_type=choice.offer.name, headers={"Allow": allowed})
