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
