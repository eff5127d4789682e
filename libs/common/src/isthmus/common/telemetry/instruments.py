"""Every instrument of the system, by where it is recorded; docs/telemetry.md is made from this list.

What they tell apart is bounded by the settings and by the standard: origins, webhooks, operations, statuses,
routes. Nothing that a stranger sends is among it: no AE title, no address, no UID.
"""

from typing import Final

from isthmus.common.telemetry.attributes import (
    DICOM_OPERATION,
    DICOM_ORIGIN,
    DICOM_ROLE,
    DICOM_STATUS,
    ERROR_TYPE,
    HTTP_REQUEST_METHOD,
    HTTP_RESPONSE_STATUS_CODE,
    HTTP_ROUTE,
    ISTHMUS_CONSUMER,
    ISTHMUS_EVENT,
    ISTHMUS_LANE,
    ISTHMUS_METHOD,
    ISTHMUS_OUTCOME,
    ISTHMUS_QUEUE,
    ISTHMUS_REASON,
    ISTHMUS_RESULT,
    ISTHMUS_WEBHOOK,
    NETWORK_IO_DIRECTION,
)
from isthmus.common.telemetry.metrics import BYTES, LONG_SECONDS, counter, gauge, histogram, up_down

_FACES: Final = ("qido", "wado", "stow")
_WORKERS: Final = ("dimse-scu", "web-scu")
_ASSOCIATING: Final = ("dimse-scu", "scp")
"""The latter with destinations of C-MOVE, and with callers to whom it reports commitments."""
_WEB: Final = ("web-scu",)
_SCP: Final = ("scp",)
_ARRIVALS: Final = ("arrivals",)
_ALL: Final = (*_FACES, *_SCP, *_WORKERS, *_ARRIVALS)

_REQUEST: Final = (HTTP_REQUEST_METHOD, HTTP_ROUTE, HTTP_RESPONSE_STATUS_CODE, ERROR_TYPE)
_OPERATION: Final = (DICOM_OPERATION, DICOM_ROLE, DICOM_ORIGIN, DICOM_STATUS, ERROR_TYPE)
_PLACE: Final = (ISTHMUS_QUEUE, DICOM_ORIGIN, ISTHMUS_LANE, ISTHMUS_WEBHOOK, ISTHMUS_CONSUMER)

# What each process rests on
nats_up = gauge("isthmus.nats.up", "", "Whether NATS answers the process", (), _ALL)
s3_up = gauge("isthmus.s3.up", "", "Whether S3 answers the process, and has its bucket", (), _ALL)

# HTTP faces
request_duration = histogram(
    "http.server.request.duration", "s", "Duration of HTTP requests, to the end of the body", _REQUEST, _FACES
)
request_body = histogram(
    "http.server.request.body.size",
    "By",
    "Bytes of bodies of requests, as far as they were read",
    _REQUEST,
    _FACES,
    buckets=BYTES,
)
response_body = histogram(
    "http.server.response.body.size",
    "By",
    "Bytes of bodies of answers, as far as they were sent",
    _REQUEST,
    _FACES,
    buckets=BYTES,
)
active_requests = up_down(
    "http.server.active_requests", "{request}", "HTTP requests under way", (HTTP_REQUEST_METHOD,), _FACES
)

# Associations with origins, and the slots that they take
associations = up_down(
    "isthmus.associations", "{association}", "Associations with an origin", (DICOM_ORIGIN,), _ASSOCIATING
)
associations_waiting = up_down(
    "isthmus.associations.waiting",
    "{association}",
    "Operations that wait until there is an association for them",
    (DICOM_ORIGIN,),
    _ASSOCIATING,
)
associations_refused = counter(
    "isthmus.associations.refused",
    "{association}",
    "Requests for associations of which none came, by why",
    (DICOM_ORIGIN, ISTHMUS_REASON),
    _ASSOCIATING,
)
association_duration = histogram(
    "isthmus.association.duration",
    "s",
    "Duration of associations with an origin, from acceptance to the end",
    (DICOM_ORIGIN,),
    _ASSOCIATING,
    buckets=LONG_SECONDS,
)
slot_wait = histogram(
    "isthmus.slot.wait",
    "s",
    "Time until there was a slot for an association, or one to share",
    (DICOM_ORIGIN,),
    _ASSOCIATING,
)

# Associations with clients of scp
scp_associations = up_down("isthmus.scp.associations", "{association}", "Associations with clients", (), _SCP)
scp_associations_refused = counter(
    "isthmus.scp.associations.refused",
    "{association}",
    "Connections and requests for associations that were sent away, by why",
    (ISTHMUS_REASON,),
    _SCP,
)
scp_association_duration = histogram(
    "isthmus.scp.association.duration",
    "s",
    "Duration of associations with clients, from acceptance to the end",
    (),
    _SCP,
    buckets=LONG_SECONDS,
)

# DIMSE, whoever asks
operation_duration = histogram(
    "isthmus.dimse.operation.duration",
    "s",
    "Duration of DIMSE operations, to the final response; as scp from when the request is here with its data",
    _OPERATION,
    _ASSOCIATING,
)
data_size = counter(
    "isthmus.dimse.data.size",
    "By",
    "Bytes of the data sets of C-STORE",
    (DICOM_OPERATION, DICOM_ROLE, DICOM_ORIGIN, NETWORK_IO_DIRECTION),
    _ASSOCIATING,
)

# Origins
origin_up = gauge(
    "isthmus.origin.up",
    "",
    "Whether an origin (of scp a destination) answered when it was asked last;"
    " absent where that is long ago: five minutes, of a bucket three times its refresh_seconds",
    (DICOM_ORIGIN,),
    (*_WORKERS, *_SCP),
)
circuit_open = gauge(
    "isthmus.circuit.open",
    "",
    "Whether it is left alone because it is away; absent likewise, once it was",
    (DICOM_ORIGIN,),
    (*_WORKERS, *_SCP),
)

# Retrieving, storing, and what is held
retrieve_duration = histogram(
    "isthmus.retrieve.duration",
    "s",
    "Duration of retrieve jobs, from when a worker took them",
    (DICOM_ORIGIN, ISTHMUS_LANE, ISTHMUS_OUTCOME),
    _WORKERS,
    buckets=LONG_SECONDS,
)
retrieve_instances = counter(
    "isthmus.retrieve.instances",
    "{instance}",
    "Instances that came from an origin",
    (DICOM_ORIGIN, ISTHMUS_METHOD),
    _WORKERS,
)
retrieve_size = counter(
    "isthmus.retrieve.size", "By", "Bytes of them", (DICOM_ORIGIN, ISTHMUS_METHOD), _WORKERS
)
store_instances = counter(
    "isthmus.store.instances",
    "{instance}",
    "Instances of store jobs, by what became of them",
    (DICOM_ORIGIN, DICOM_STATUS),
    _WORKERS,
)
cache_requests = counter(
    "isthmus.cache.requests",
    "{request}",
    "Reads of what an origin has: held, on its way already, or to be retrieved",
    (DICOM_ORIGIN, ISTHMUS_RESULT),
    ("wado", *_SCP),
)
cache_size = gauge(
    "isthmus.cache.size", "By", "What is held of the origins, as the sweeper saw it last", (), _WORKERS
)
cache_limit = gauge("isthmus.cache.limit", "By", "What may be held of the origins", (), _WORKERS)
cache_evictions = counter(
    "isthmus.cache.evictions", "{study}", "Studies that made room for others", (DICOM_ORIGIN,), _WORKERS
)
bucket_read = counter(
    "isthmus.bucket.read", "{object}", "Objects in buckets whose heads were read", (DICOM_ORIGIN,), _WEB
)
bucket_left_out = counter(
    "isthmus.bucket.left_out",
    "{object}",
    "Objects in buckets that are no instances, by why",
    (DICOM_ORIGIN, ISTHMUS_REASON),
    _WEB,
)

# Queues
queue_length = gauge(
    "isthmus.queue.length", "{message}", "Messages that wait or are worked on", _PLACE, _ARRIVALS
)
queue_oldest_age = gauge(
    "isthmus.queue.oldest.age",
    "s",
    "Age of the oldest message that is not done with;"
    " of what is forwarded since it first was to go, or was replayed",
    _PLACE,
    _ARRIVALS,
)
queue_redeliveries = counter(
    "isthmus.queue.redeliveries",
    "{message}",
    "Messages that came once more, since who had them gave them back, failed or died",
    _PLACE,
    (*_WORKERS, *_SCP, *_ARRIVALS),
)
dead_letters = gauge(
    "isthmus.dead_letters",
    "{message}",
    "What was given up, and is kept until somebody replays or drops it",
    (ISTHMUS_QUEUE, DICOM_ORIGIN, ISTHMUS_WEBHOOK),
    _ARRIVALS,
)
jetstream_size = gauge("isthmus.jetstream.size", "By", "What all streams take on the disk", (), _ARRIVALS)
jetstream_limit = gauge(
    "isthmus.jetstream.limit", "By", "What they may take; absent where NATS names no limit", (), _ARRIVALS
)

# What arrives
arrivals_waiting = gauge("isthmus.arrivals.waiting", "{study}", "Studies whose timers run", (), _ARRIVALS)
arrivals_events = counter(
    "isthmus.arrivals.events", "{event}", "Events that were merged into studies", (DICOM_ORIGIN,), _ARRIVALS
)
arrivals_announced = counter(
    "isthmus.arrivals.announced",
    "{event}",
    "Events of studies that were published",
    (DICOM_ORIGIN, ISTHMUS_EVENT),
    _ARRIVALS,
)
inbox_expired = counter(
    "isthmus.inbox.expired",
    "{study}",
    "Studies that were deleted from inboxes, by why",
    (DICOM_ORIGIN, ISTHMUS_REASON),
    _ARRIVALS,
)
audit_exported = counter(
    "isthmus.audit.exported", "{record}", "Audit records that a syslog server has", (), _ARRIVALS
)
forwarded = counter(
    "isthmus.forwarded",
    "{instance}",
    "Instances that were sent on, by what became of them",
    (DICOM_ORIGIN, ISTHMUS_OUTCOME),
    _ARRIVALS,
)
webhook_attempts = counter(
    "isthmus.webhook.attempts",
    "{attempt}",
    "POSTs to webhooks, by their outcome",
    (ISTHMUS_WEBHOOK, ISTHMUS_OUTCOME),
    _ARRIVALS,
)
webhook_dead_letters = counter(
    "isthmus.webhook.dead_letters",
    "{event}",
    "Events that webhooks never took",
    (ISTHMUS_WEBHOOK,),
    _ARRIVALS,
)
webhook_stopped = gauge(
    "isthmus.webhook.stopped", "", "Whether a webhook answered 410 Gone", (ISTHMUS_WEBHOOK,), _ARRIVALS
)
