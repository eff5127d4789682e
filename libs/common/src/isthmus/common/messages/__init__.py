"""The contract on the bus: what flows between our services, as frozen dataclasses in msgpack.

A message is a map with `v` (the version of the contract), `type` (the name of the class) and its fields. A
field that the reader does not know is ignored, one that is missing is a `ContractError` that names it.
"""

from isthmus.common.messages.arrivals import AssociationEnded, Delete, Deleted, InstancesReported
from isthmus.common.messages.blobs import BlobRef
from isthmus.common.messages.codec import VERSION, decode, encode
from isthmus.common.messages.failure import Failure
from isthmus.common.messages.forwards import DeadLetter, Forwarded, Forwarding, Refusal
from isthmus.common.messages.query import Echo, EchoDone, Matches, Query, QueryDone, WorklistQuery
from isthmus.common.messages.retrieve import (
    Ahead,
    AheadTaken,
    InstanceReady,
    InstancesHeld,
    Lacking,
    MissingInstance,
    Received,
    ReceivedAnswer,
    Retrieve,
    RetrieveDone,
    RetrieveFact,
    RetrieveStarted,
    SeriesDone,
    retrieve_fact,
)
from isthmus.common.messages.store import InstanceStored, Store, StoreDone, StoreFact, store_fact

__all__ = [
    "VERSION",
    "Ahead",
    "AheadTaken",
    "AssociationEnded",
    "BlobRef",
    "DeadLetter",
    "Delete",
    "Deleted",
    "Echo",
    "EchoDone",
    "Failure",
    "Forwarded",
    "Forwarding",
    "InstanceReady",
    "InstanceStored",
    "InstancesHeld",
    "InstancesReported",
    "Lacking",
    "Matches",
    "MissingInstance",
    "Query",
    "QueryDone",
    "Received",
    "ReceivedAnswer",
    "Refusal",
    "Retrieve",
    "RetrieveDone",
    "RetrieveFact",
    "RetrieveStarted",
    "SeriesDone",
    "Store",
    "StoreDone",
    "StoreFact",
    "WorklistQuery",
    "decode",
    "encode",
    "retrieve_fact",
    "store_fact",
]
