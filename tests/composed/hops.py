"""The hops of all flows: which span of which service is inside of which."""

from typing import Final

Span = tuple[str, str]
"""A service, and the name of its span."""

SEARCH: Final = ("qido", "GET /aets/{origin}/studies")
RETRIEVE: Final = ("wado", "GET /aets/{origin}/studies/{study}")
STORE: Final = ("stow", "POST /aets/{origin}/studies")
ECHO: Final = ("qido", "GET /aets/{origin}")
RENDERED: Final = (
    "wado",
    "GET /aets/{origin}/studies/{study}/series/{series}/instances/{instance}/rendered",
)
DELETE: Final = ("stow", "DELETE /aets/{origin}/studies/{study}")
ASSOCIATION: Final = ("dimse-scu", "DIMSE association")

HOPS: Final[tuple[tuple[Span | None, Span], ...]] = (
    # Search
    (None, SEARCH),
    (SEARCH, ("qido", "send dicom.query")),
    (SEARCH, ("qido", "send dicom.audit")),
    (("qido", "send dicom.query"), ("dimse-scu", "process dicom.query")),
    (("dimse-scu", "process dicom.query"), ASSOCIATION),
    (ASSOCIATION, ("dimse-scu", "DIMSE negotiation")),
    (ASSOCIATION, ("dimse-scu", "C-FIND")),
    (("qido", "send dicom.query"), ("web-scu", "process dicom.query")),
    (("web-scu", "process dicom.query"), ("web-scu", "HTTP GET")),
    (None, ("qido", "GET /dicomweb/studies")),
    # Retrieve, by C-GET, C-MOVE and WADO-RS; the bucket is looked through
    (None, RETRIEVE),
    (RETRIEVE, ("wado", "send dicom.retrieve")),
    (RETRIEVE, ("wado", "S3 get")),
    (("wado", "send dicom.retrieve"), ("dimse-scu", "process dicom.retrieve")),
    (("dimse-scu", "process dicom.retrieve"), ASSOCIATION),
    (ASSOCIATION, ("dimse-scu", "C-GET")),
    (("dimse-scu", "C-GET"), ("dimse-scu", "C-STORE")),
    (("dimse-scu", "C-STORE"), ("dimse-scu", "S3 put")),
    (ASSOCIATION, ("dimse-scu", "C-MOVE")),
    (("scp", "C-STORE"), ("scp", "send dicom.received")),
    (("scp", "send dicom.received"), ("dimse-scu", "process dicom.received")),
    (("wado", "send dicom.retrieve"), ("web-scu", "process dicom.retrieve")),
    (("web-scu", "process dicom.retrieve"), ("web-scu", "HTTP GET")),
    (("web-scu", "process dicom.retrieve"), ("web-scu", "S3 put")),
    (("web-scu", "scan bucket"), ("web-scu", "refresh study of a bucket")),
    (RENDERED, ("wado", "process pixels")),
    # Store
    (None, STORE),
    (STORE, ("stow", "S3 put")),
    (STORE, ("stow", "send dicom.store")),
    (("stow", "send dicom.store"), ("dimse-scu", "process dicom.store")),
    (("dimse-scu", "process dicom.store"), ASSOCIATION),
    (ASSOCIATION, ("dimse-scu", "C-STORE")),
    (("stow", "send dicom.store"), ("web-scu", "process dicom.store")),
    (("web-scu", "process dicom.store"), ("web-scu", "S3 get")),
    (("web-scu", "process dicom.store"), ("web-scu", "HTTP POST")),
    # Receive: the study arrives, is told of, and goes on
    (None, ("scp", "C-STORE")),
    (("scp", "C-STORE"), ("scp", "S3 put")),
    (("scp", "C-STORE"), ("scp", "send dicom.events")),
    (("scp", "send dicom.events"), ("arrivals", "merge into study")),
    (("arrivals", "merge into study"), ("arrivals", "send dicom.timer")),
    (("arrivals", "send dicom.timer"), ("arrivals", "look at study")),
    (("arrivals", "publish study.arrived"), ("arrivals", "send dicom.events")),
    (("arrivals", "send dicom.events"), ("arrivals", "deliver webhook")),
    (("arrivals", "send dicom.events"), ("arrivals", "process dicom.events")),
    (("arrivals", "process dicom.events"), ("arrivals", "send dicom.forward")),
    (("arrivals", "send dicom.forward"), ("arrivals", "process dicom.forward")),
    (("arrivals", "process dicom.forward"), ("arrivals", "send dicom.store")),
    (("arrivals", "send dicom.store"), ("dimse-scu", "process dicom.store")),
    # Commitment of what was received, and its end
    (None, ("scp", "N-ACTION")),
    (("scp", "N-ACTION"), ("scp", "send dicom.commit")),
    (("scp", "send dicom.commit"), ("scp", "process dicom.commit")),
    (("scp", "process dicom.commit"), ("scp", "send dicom.committed")),
    (("scp", "send dicom.committed"), ("scp", "process dicom.committed")),
    (None, DELETE),
    (DELETE, ("stow", "send dicom.delete")),
    (("stow", "send dicom.delete"), ("web-scu", "process dicom.delete")),
    (("web-scu", "process dicom.delete"), ("web-scu", "delete")),
    # The inverse
    (None, ("scp", "C-FIND")),
    (("scp", "C-FIND"), ("scp", "send dicom.query")),
    (("scp", "send dicom.query"), ("web-scu", "process dicom.query")),
    (("scp", "send dicom.query"), ("dimse-scu", "process dicom.query")),
    (None, ("scp", "C-GET")),
    (("scp", "C-GET"), ("scp", "send dicom.retrieve")),
    (("scp", "send dicom.retrieve"), ("web-scu", "process dicom.retrieve")),
    (("scp", "send dicom.retrieve"), ("dimse-scu", "process dicom.retrieve")),
    (("scp", "C-GET"), ("scp", "C-STORE")),
    (None, ("scp", "C-MOVE")),
    (("scp", "C-MOVE"), ("scp", "DIMSE association")),
    (("scp", "DIMSE association"), ("scp", "C-STORE")),
    (("scp", "C-FIND"), ("scp", "send dicom.worklist")),
    (("scp", "send dicom.worklist"), ("dimse-scu", "process dicom.worklist")),
    (("scp", "C-STORE"), ("scp", "send dicom.store")),
    (("scp", "send dicom.store"), ("web-scu", "process dicom.store")),
    # Echo
    (None, ECHO),
    (ECHO, ("qido", "send dicom.echo")),
    (("qido", "send dicom.echo"), ("dimse-scu", "process dicom.echo")),
    (("dimse-scu", "process dicom.echo"), ASSOCIATION),
    (ASSOCIATION, ("dimse-scu", "C-ECHO")),
    (("qido", "send dicom.echo"), ("web-scu", "process dicom.echo")),
)
