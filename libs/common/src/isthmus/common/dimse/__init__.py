"""DIMSE: associations with origins, quick, bounded in time, and with the bytes as they are.

`Association` is for threads and blocks; `AssociationPool` is the asyncio side. What is changed of pynetdicom
is all in `sockets`, whose `install` a process that accepts associations calls itself.
"""

from isthmus.common.dimse.association import Association
from isthmus.common.dimse.contexts import (
    FIND,
    GET,
    MAX_CONTEXTS,
    MOVE,
    NON_PATIENT_OBJECTS,
    RARE,
    STUDY_ROOT_FIND,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
    VERIFICATION,
    WORKLIST,
    WORKLIST_FIND,
    Context,
    classes_of,
    for_get,
    for_store,
)
from isthmus.common.dimse.negotiation import Accepted
from isthmus.common.dimse.peer import Peer
from isthmus.common.dimse.pool import AssociationPool
from isthmus.common.dimse.results import (
    FindResponse,
    ReceivedInstance,
    StoreResult,
    SubOperationOf,
    SubOperations,
)
from isthmus.common.dimse.sockets import MAX_PDU, install, unrestricted_storage
from isthmus.common.dimse.spill import received_dataset
from isthmus.common.dimse.status import Category, Operation, category, failure
from isthmus.common.dimse.translation import dimse_status, status_of_http

__all__ = [
    "FIND",
    "GET",
    "MAX_CONTEXTS",
    "MAX_PDU",
    "MOVE",
    "NON_PATIENT_OBJECTS",
    "RARE",
    "STUDY_ROOT_FIND",
    "STUDY_ROOT_GET",
    "STUDY_ROOT_MOVE",
    "VERIFICATION",
    "WORKLIST",
    "WORKLIST_FIND",
    "Accepted",
    "Association",
    "AssociationPool",
    "Category",
    "Context",
    "FindResponse",
    "Operation",
    "Peer",
    "ReceivedInstance",
    "StoreResult",
    "SubOperationOf",
    "SubOperations",
    "category",
    "classes_of",
    "dimse_status",
    "failure",
    "for_get",
    "for_store",
    "install",
    "received_dataset",
    "status_of_http",
    "unrestricted_storage",
]
