"""The lines of the conformance checklist that are not built, each with its reason."""

from typing import Final

DECLINED: Final[tuple[tuple[str, str, str], ...]] = (
    (
        "8.3.3.2, 8.8",
        "Character sets other than UTF-8, also by Accept-Charset or as a parameter of a media type",
        "whatever is made here is in UTF-8, and says so; `charset` without it is 400",
    ),
    (
        "8.3.5.1.3",
        "Pictures of the same matrix as an image whose pixels are not square",
        "what browsers show would be distorted: it is made larger in one direction",
    ),
    (
        "8.3.4.1, 10.6.3.3",
        "Private attributes as matching keys or included fields",
        "no origin gives them in a search: 400 as keys, left away as fields; metadata have them",
    ),
    (
        "8.5",
        "401",
        "who may do what is not asked yet; 403 is what an origin refuses, by 0124, 401 or 403",
    ),
    (
        "8.7.3.3.2",
        "Frames and bulkdata as `image/jpeg`, `image/jpx`, `image/jphc`, `image/jxl` or video of others",
        "406: RLE, JPEG-LS and JPEG 2000 are what is encoded, all without loss",
    ),
    (
        "8.7.4",
        "Rendered video (`video/mp4` and others) made of frames",
        "no encoder: a video goes as it is held",
    ),
    ("8.7.4", "Rendered `image/jp2`", "optional; JPEG, PNG and GIF are what browsers show"),
    ("8.7.4", "Reports as `application/pdf` or `text/rtf`", "optional; a page can be printed"),
    (
        "8.7.5",
        "400 where both DICOM and rendered media types are accepted",
        "no resource has both, and clients list what they can; what the resource has is chosen",
    ),
    ("8.7.5", "406 without an Accept header", "it is taken for `*/*`, which clients mean by it"),
    (
        "8.7.7",
        "Ignoring ranges of Accept that cannot be read",
        "400, so that nobody gets something else for an error in writing",
    ),
    (
        "8.9",
        "304 for capabilities",
        "conditions are for GET and HEAD; RFC 9110 13.2.1 has them ignored for OPTIONS",
    ),
    (
        "9.1.2.2.1",
        "The Accept header where nothing of `contentType` is to be had",
        "406: nearly all clients send `*/*` there, and who names a picture wants no other thing",
    ),
    (
        "9.4.1.2.1",
        "`anonymize`",
        "400: nothing is de-identified here, and what was asked for without names shall not have them",
    ),
    ("9.5.2.1", "400 for `frameNumber=1` of a single frame", "it is that frame"),
    (
        "9.5.1.2.7",
        "`region` beside a presentation state, which 9.5.2.4 has too",
        "400, as 9.5.2.3 says",
    ),
    (
        "10.4.1.1.7, 10.4.1.1.8",
        "Rendered MPR and rendered volumes",
        "what renders volumes has other needs than a gateway",
    ),
    (
        "10.4.3.1",
        "410 for what has been deleted",
        "origins do not tell, and who deletes from an inbox knows: it is 404, as what never was",
    ),
    (
        "10.4.4",
        "406 for rendered studies and series where no multipart media type is accepted",
        "parts are given: clients that are in use list single-part media types and mean them",
    ),
    (
        "10.4.4",
        "Metadata and bulkdata in `application/zip`",
        "optional; answers in JSON are compressed by Content-Encoding",
    ),
    (
        "10.5.1.3",
        "Payloads with a Content-Encoding",
        "415: no client was seen to send one, and how large it becomes nobody can tell before",
    ),
    (
        "10.5.2",
        "Bulkdata as progressive JPEG, MPEG-1, JPEG XL without `transfer-syntax`, PNG of 16 bits in colour",
        "no transfer syntax holds them, it cannot be told, or bits would be lost: C122 or C004",
    ),
    ("10.5.2", "BulkDataURIs of parts that are not in the request", "C002: nothing is fetched for a client"),
    ("10.5.2", "Original Attributes Sequence", "for what is coerced: nothing is"),
    ("10.5.3.2", "Content-Location of answers", "the answer is about what was stored; Location has its URL"),
    (
        "10.6.3.3",
        "TimezoneOffsetFromUTC in matches",
        "an origin tells it where the adjustment was negotiated (PS3.4 C.5.1.1); metadata have it",
    ),
    (
        "PS3.4 C.5.1.1",
        "Extended negotiation with origins: relational, fuzzy, combined, empty, multiple value matching",
        "what they were negotiated for is done here, whatever an origin can do",
    ),
    ("11", "UPS-RS", "a worklist server, which a gateway before PACS is not"),
    ("12", "Non-Patient Instance service", "the origins hold studies"),
    ("13", "Storage Commitment by HTTP", "by DIMSE it is there: those who ask for it are modalities"),
    (
        "10",
        "DELETE at origins that are no inboxes",
        "it is not for a gateway to delete what is held elsewhere: 405",
    ),
    (
        "PS3.4 C.5.1.1",
        "Combined date-time matching, timezone query adjustment, multi-frame conversion, as a provider",
        "not agreed to where it is proposed; dates and times are matched each by itself, but in a worklist",
    ),
    (
        "PS3.4 Annexes Y, Z",
        "Composite Instance Root Retrieve, and retrieving without bulk data",
        "no presentation context is accepted; workstations ask for whole instances",
    ),
    (
        "PS3.4 Annex K",
        "Modality Worklist of buckets and inboxes",
        "0122: they have none",
    ),
    (
        "PS3.4 F.8, F.9",
        "Modality Performed Procedure Step Retrieve and Notification",
        "what a step names is used to know when a study is complete, and sent to nobody",
    ),
    (
        "PS3.4 Annex R",
        "Instance Availability Notification as a user",
        "events and webhooks tell of what arrived",
    ),
)
