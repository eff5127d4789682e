"""Deletion of what has arrived in an inbox: a face of `dicom.delete`, which the standard does not have."""

from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from isthmus.common.access import access_of
from isthmus.common.access.audit_layer import about_to_delete
from isthmus.common.access.studies import Studies
from isthmus.common.bus import Bus
from isthmus.common.bus.delete import request_deletion
from isthmus.common.dicomweb.methods import methods_at
from isthmus.common.dicomweb.resource import ALL, Resource
from isthmus.common.errors import MethodNotAllowed, NoSuchObject, UnknownOrigin
from isthmus.common.messages import Delete
from isthmus.stow.settings import StowSettings

DELETE_SECONDS: Final = 60.0
"""Patience with the worker; S3 deletes a thousand blobs by one request."""


@dataclass(frozen=True, slots=True)
class Deleting:
    """Answers DELETE."""

    settings: StowSettings
    bus: Bus
    studies: Studies
    """Tells which of them may be seen."""

    async def delete(self, request: Request) -> Response:
        """Delete a study, series or instance; when the answer is out, it is gone.

        Raises:
            UnknownOrigin: no such origin is configured.
            InvalidParameter: a UID is outside the grammar.
            MethodNotAllowed: the origin is no inbox, or it is all of them.
            NoSuchObject: the inbox has no such object, or none that the client may know of.
            UnavailableError: the worker, NATS or S3 is away; some of it may still be there.
        """
        resource = Resource.from_path_params(request.path_params)
        self._require_inbox(resource, request)
        permit = access_of(request).permit(resource.origin)
        await self.studies.require(permit, resource.origin, resource.study)
        delete = Delete(resource.origin, resource.study, resource.series, resource.instance)
        await about_to_delete(request, resource.origin, resource.study)
        deleted = await request_deletion(self.bus, delete, DELETE_SECONDS)
        if deleted.failure is not None:
            raise deleted.failure.error()
        if not deleted.instances:
            raise NoSuchObject(f"{resource.origin!r} has no such object")
        return Response(status_code=204)

    def _require_inbox(self, resource: Resource, request: Request) -> None:
        if resource.origin in self.settings.inboxes:
            return
        if resource.origin != ALL and resource.origin not in self.settings.origins:
            raise UnknownOrigin(resource.origin)
        others = methods_at(request.scope["path"], self.settings.inboxes)
        raise MethodNotAllowed("Only what is in an inbox can be deleted", others)
