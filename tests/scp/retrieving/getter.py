"""A client of C-GET on pynetdicom, that takes each instance as told and remembers what came."""

import threading
from collections.abc import Callable, Sequence
from typing import cast

from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE, build_context, build_role, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at run time

from tests.peers import Peer
from tests.scp.retrieving.client import STUDY_ROOT, Answer


class Getter:
    """Asks for instances, over an association of its own each time."""

    def __init__(
        self,
        sop_classes: Sequence[str] = (CTImageStorage,),
        syntaxes: Sequence[str] = (ExplicitVRLittleEndian,),
        *,
        takes: bool = True,
    ) -> None:
        """Prepare; `takes`: whether the role of an SCP is proposed."""
        self.came: dict[str, bytes] = {}
        self.came_in: set[str] = set()
        """The transfer syntaxes."""
        self.answer: Callable[[int], int] = lambda _: 0
        self.reached = threading.Event()
        self._entity = AE("GETTER")
        self._entity.dimse_timeout = self._entity.acse_timeout = 60
        self._roles = [build_role(name, scp_role=True) for name in sop_classes] if takes else []
        self._contexts = [
            build_context(sop_class_uid, syntax) for sop_class_uid in sop_classes for syntax in syntaxes
        ]

    def offer_together(self, sop_class_uid: str, syntaxes: Sequence[str]) -> None:
        """Offer several transfer syntaxes in one presentation context."""
        self._contexts.append(build_context(sop_class_uid, list(syntaxes)))

    def associate(self, peer: Peer, *, model: str = STUDY_ROOT) -> Association:
        association = self._entity.associate(
            peer.host,
            peer.port,
            contexts=[*self._contexts, build_context(f"{model}.3"), build_context(Verification)],
            ae_title=peer.ae_title,
            ext_neg=self._roles,  # type: ignore[arg-type]  # upstream's union is of lists
            evt_handlers=[(evt.EVT_C_STORE, self._take)],
        )
        assert association.is_established, "no association"
        return association

    def get(self, peer: Peer, identifier: Dataset, *, model: str = STUDY_ROOT) -> Answer:
        """Ask, to the end; blocks."""
        association = self.associate(peer, model=model)
        answer = Answer()
        try:
            for status, failed in association.send_c_get(identifier, f"{model}.3"):
                answer.take(status, failed)
        finally:
            association.release()
        return answer

    def _take(self, event: evt.Event) -> int:
        request = cast("C_STORE", event.request)
        number = len(self.came)
        self.came[str(request.AffectedSOPInstanceUID)] = (
            request.DataSet.getvalue() if request.DataSet is not None else b""
        )
        self.came_in.add(str(event.context.transfer_syntax))
        self.reached.set()
        return self.answer(number)
