"""Query/Retrieve requests that are answered by us, and that pynetdicom still asks where we put ourselves."""

from collections.abc import Iterator

import pynetdicom.association
import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.events import EventHandlerType
from pynetdicom.presentation import PresentationContext
from pynetdicom.service_class import QueryRetrieveServiceClass, VerificationServiceClass
from pynetdicom.sop_class import uid_to_service_class

from isthmus.common.dimse import STUDY_ROOT_FIND, VERIFICATION, WORKLIST_FIND, install
from isthmus.common.dimse.provided import Request, provide, service_class


@pytest.fixture(autouse=True)
def installed() -> None:
    install()


def test_pynetdicom_looks_there() -> None:
    assert pynetdicom.association.uid_to_service_class is service_class  # type: ignore[attr-defined]  # it is imported there


def test_only_these_service_classes_are_replaced() -> None:
    assert service_class(STUDY_ROOT_FIND) is not uid_to_service_class(STUDY_ROOT_FIND)
    assert service_class(WORKLIST_FIND) is not uid_to_service_class(WORKLIST_FIND)
    assert service_class(VERIFICATION.abstract_syntax) is VerificationServiceClass
    assert uid_to_service_class(STUDY_ROOT_FIND) is QueryRetrieveServiceClass


def _upstream(event: evt.Event) -> Iterator[tuple[int, None]]:
    yield 0xA700, None


@pytest.mark.parametrize(("ours", "status"), [(True, 0x0122), (False, 0xA700)])
def test_a_request_comes_to_who_provides_for_its_association_else_to_pynetdicom(
    ours: bool, status: int
) -> None:
    def begin(event: evt.Event) -> None:
        def serve(association: Association, request: Request, context: PresentationContext) -> None:
            request.MessageIDBeingRespondedTo = request.MessageID
            request.Identifier = None
            request.Status = 0x0122
            association.dimse.send_msg(request, context.context_id or 0)

        if ours:
            provide(event.assoc, serve)

    entity = AE("PROVIDER")
    entity.add_supported_context(STUDY_ROOT_FIND)
    handlers: list[EventHandlerType] = [(evt.EVT_REQUESTED, begin), (evt.EVT_C_FIND, _upstream)]
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    assert server is not None
    try:
        client = AE("CLIENT")
        client.add_requested_context(STUDY_ROOT_FIND)
        association = client.associate("127.0.0.1", server.server_address[1])
        identifier = Dataset()
        identifier.QueryRetrieveLevel = "STUDY"
        found = [one.Status for one, _ in association.send_c_find(identifier, STUDY_ROOT_FIND)]
        association.release()
    finally:
        server.shutdown()
    assert found == [status]
