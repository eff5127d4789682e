"""The lines of the conformance checklist that are not built, each with its reason."""

from typing import Final

DECLINED: Final[tuple[tuple[str, str, str], ...]] = (
    (
        "8.7.3",
        "Whole instances as `application/octet-stream`",
        "the historical form of bulkdata: that is what it gives",
    ),
    (
        "8.7.4",
        "Rendered video (`video/mp4` and others) made of frames",
        "no encoder: a video goes as it is held",
    ),
    ("8.7.4", "Rendered `image/jp2`", "optional; JPEG, PNG and GIF are what browsers show"),
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
    ("11", "UPS-RS", "a worklist server, which a gateway before PACS is not"),
    ("12", "Non-Patient Instance service", "the origins hold studies"),
    ("13", "Storage Commitment by HTTP", "comes with the DIMSE service that it maps to"),
    ("10", "DELETE of studies", "no transaction of the standard; DIMSE has no deletion: 405"),
    (
        "PS3.4 Annex R",
        "Instance Availability Notification",
        "comes with what else modalities and archives push",
    ),
)
