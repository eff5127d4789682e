"""The HTTP client for DICOMweb origins (PS3.18 8): QIDO-RS, WADO-RS and STOW-RS as whoever asks.

It stands beside nothing of DICOM's own logic: paths and parameters come in, data sets and parts go out, and
whatever an origin does wrong is one of the `OriginError`s:

    OriginUnreachable      no connection, no TLS, a certificate that does not verify, credentials that nobody
                           gives us, or it broke off before it answered
    OriginTimeout          silence for longer than `timeout_seconds` of its settings
    CircuitOpen            one of these two several times in a row: it is left alone for some seconds
    HttpOperationFailed    a status that is no success, after what can be tried again was; `http_status`
    MalformedAnswer        HTML, no JSON, a wrong boundary, a redirect without end, far too much of anything
      TruncatedAnswer      it ended before its end was marked; the parts that came to their end are good
"""

from isthmus.common.webclient.client import NOT_ESCAPED, WebClient
from isthmus.common.webclient.json_answer import JsonAnswer
from isthmus.common.webclient.pages import NO_MATCH, pages
from isthmus.common.webclient.parts import Part, Parts
from isthmus.common.webclient.posting import OutgoingPart, StoreAnswer

__all__ = [
    "NOT_ESCAPED",
    "NO_MATCH",
    "JsonAnswer",
    "OutgoingPart",
    "Part",
    "Parts",
    "StoreAnswer",
    "WebClient",
    "pages",
]
