"""Requests of the Query/Retrieve service that we answer ourselves, from the bytes that came (PS3.4 Annex C).

A patch of pynetdicom, like those of `sockets`. Upstream's providers take decoded data sets from generators,
encode them again, want the number of sub-operations in advance, and look for a C-CANCEL between two of them.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias
from weakref import WeakKeyDictionary

from pynetdicom.dimse_primitives import C_FIND, C_GET, C_MOVE
from pynetdicom.presentation import PresentationContext
from pynetdicom.service_class import ServiceClass
from pynetdicom.sop_class import _BASIC_WORKLIST_CLASSES, _QR_CLASSES
from pynetdicom.sop_class import uid_to_service_class as _upstream

if TYPE_CHECKING:
    from pynetdicom.association import Association

Request: TypeAlias = C_FIND | C_GET | C_MOVE
Serve: TypeAlias = Callable[["Association", Request, PresentationContext], None]
"""Answers a request, all of it, in the association's thread. It is not to hold the association, which would
then never be collected."""

_PROVIDED: Final = frozenset({*_QR_CLASSES.values(), *_BASIC_WORKLIST_CLASSES.values()})
_serving: Final["WeakKeyDictionary[Association, Serve]"] = WeakKeyDictionary()


class _Provided(ServiceClass):
    """Hands a request to whoever serves this association; without one it goes to pynetdicom."""

    def SCP(self, req: Request, context: PresentationContext) -> None:  # noqa: N802 - pynetdicom's name
        serve = _serving.get(self.assoc)
        if serve is None:
            _upstream(str(req.AffectedSOPClassUID))(self.assoc).SCP(req, context)
        else:
            serve(self.assoc, req, context)


def provide(association: "Association", serve: Serve) -> None:
    """Answer the Query/Retrieve and worklist requests of an association that was accepted."""
    _serving[association] = serve


def service_class(uid: str) -> type[ServiceClass]:
    """Give the service class of a SOP class, instead of pynetdicom's function."""
    return _Provided if uid in _PROVIDED else _upstream(uid)
