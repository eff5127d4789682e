"""What the conformance statement says of DIMSE: the services that we provide, and those that we use."""

from collections.abc import Iterator, Sequence
from typing import Final

from pydicom.uid import UID
from pynetdicom.ae import ApplicationEntity

from isthmus.common.config import DicomwebOrigin
from isthmus.common.config.certificates import client_context
from isthmus.common.config.settings import Scp
from isthmus.common.config.tls import PeerTls
from isthmus.common.dicom import statuses
from isthmus.common.dicom.statuses import meaning
from isthmus.common.dimse import VERIFICATION, Operation, status_of_http
from isthmus.common.dimse.contexts import FIND, GET, MOVE, WORKLIST
from isthmus.common.webclient import json_answer, posting
from isthmus.scp import admission
from isthmus.scp.commitment.report import ALL_COMMITTED, FAILURES_EXIST
from isthmus.scp.commitment.requests import REQUEST_COMMITMENT, STORAGE_COMMITMENT
from isthmus.scp.models import TRANSFER_SYNTAXES, Model
from isthmus.scp.move import FALLBACKS
from isthmus.scp.reports.reports import INSTANCE_AVAILABILITY, NOT_UPDATED_ANY_MORE, PERFORMED_PROCEDURE_STEP
from isthmus.scp.services import accept_services
from isthmus.web_scu.dicomweb.accepting import AS_HELD, BY_DEFAULT
from isthmus.web_scu.dicomweb.sending import BYTES_AT_ONCE, INSTANCES_AT_ONCE


def _names(transfer_syntaxes: Sequence[str] | None) -> str:
    return ", ".join(UID(uid).name for uid in transfer_syntaxes or ())


PROVIDED: Final = {
    STORAGE_COMMITMENT: ("PS3.4 Annex J", "N-ACTION, N-EVENT-REPORT"),
    PERFORMED_PROCEDURE_STEP: ("PS3.4 F.7", "N-CREATE, N-SET"),
    INSTANCE_AVAILABILITY: ("PS3.4 Annex R", "N-CREATE"),
}
"""The services beside storage, each with its section and its DIMSE services."""
_VERIFICATION: Final = (VERIFICATION.abstract_syntax, "PS3.4 Annex A", "C-ECHO")
USED: Final = (
    _VERIFICATION,
    (FIND.abstract_syntax, "PS3.4 C.6.2", "C-FIND"),
    (WORKLIST.abstract_syntax, "PS3.4 K.6.1", "C-FIND"),
    (GET.abstract_syntax, "PS3.4 C.6.2", "C-GET"),
    (MOVE.abstract_syntax, "PS3.4 C.6.2", "C-MOVE"),
)
_MODELS: Final = {
    Model.PATIENT_ROOT: "PS3.4 C.6.1",
    Model.STUDY_ROOT: "PS3.4 C.6.2",
    Model.PATIENT_STUDY_ONLY: "PS3.4 C.6.3 (retired)",
}
FIND_STATUSES: Final = (
    (statuses.SUCCESS, "all matches are told; or there are none, or no such study"),
    (statuses.PENDING, "a match"),
    (statuses.PENDING_WITHOUT_OPTIONAL_KEYS, "likewise; a key is private, binary, or of a level below"),
    (statuses.CANCELLED, "a C-CANCEL came; the search at the origin is ended too"),
    (statuses.NO_SUCH_SOP_INSTANCE, "the origin has no such service"),
    (statuses.SOP_CLASS_NOT_SUPPORTED, "a worklist of an origin that has none"),
    (statuses.NOT_AUTHORIZED, "`access.rules` do not allow it to the caller; or the origin says so"),
    (statuses.OUT_OF_RESOURCES, "the origin, or a part of ours, is away or slow; or it is too wide a search"),
    (statuses.DATA_SET_MISMATCH, "no level, or another's; a value is wrong"),
    (statuses.UNABLE_TO_PROCESS, "the Identifier cannot be read; or the origin fails"),
)
RETRIEVE_STATUSES: Final = (
    (statuses.SUCCESS, "all instances are sent"),
    (statuses.PENDING, "with the counters, as they change, and every 5 s where nothing does"),
    (statuses.CANCELLED, "a C-CANCEL came; the retrieve at the origin is ended too"),
    (statuses.SUB_OPERATIONS_FAILED, "some failed or had a warning; or nobody knows whether it was all"),
    (statuses.NO_SUCH_SOP_INSTANCE, "the origin has no such service"),
    (statuses.SOP_CLASS_NOT_SUPPORTED, "the origin gives it in no form that is taken"),
    (statuses.NOT_AUTHORIZED, "`access.rules` do not allow it to the caller; or the origin says so"),
    (statuses.OUT_OF_RESOURCES_SUB_OPERATIONS, "all failed; or the origin or a part of ours is away or slow"),
    (statuses.MOVE_DESTINATION_UNKNOWN, "it is not in `scp.destinations`"),
    (statuses.DATA_SET_MISMATCH, "no level, another's, a unique key is missing or no UID"),
    (statuses.UNABLE_TO_PROCESS, "there is no such object; or the origin fails, or cannot be understood"),
)
ANSWERED: Final = (*(400, 401, 403, 404, 410, 406, 415, 409, 408, 413, 429, 503, 504, 501, 500, 502, 599),)
"""What a DICOMweb server may answer a request with; the last one is like all that no table has."""
_REJECTIONS: Final = (
    (
        admission.CALLED_AE_TITLE,
        "it is no origin's, `scp.ae_title` or `dicomweb.ae_title`; several origins have it; or the caller may"
        " do nothing there",
    ),
    (admission.CALLING_AE_TITLE, "it is empty; or `access.rules` allow the caller nothing at any origin"),
    (
        admission.IDENTITY,
        "the passcode or token is none of ours; or it is a Kerberos ticket or SAML assertion",
    ),
    (admission.IDENTITY_UNKNOWN_NOW, "the identity provider, or a part of ours, is away"),
    (admission.VERSION, "another protocol version than 1"),
    (admission.LOCAL_LIMIT, "as many are open as may be, at all or of this caller"),
)
STORE_STATUSES: Final = (
    (statuses.DUPLICATE_SOP_INSTANCE, "other bytes are there under the UID, and `conflicts` is `refuse`"),
    (
        statuses.NO_SUCH_SOP_INSTANCE,
        "the origin has no such service; or no origin takes what is for all of them",
    ),
    (statuses.NOT_AUTHORIZED, "the caller may not store here; or, at `scp.ae_title`, nobody asked for it"),
    (statuses.OUT_OF_RESOURCES, "the origin, S3 or the bus is away, busy or slow: to be sent again"),
    (
        statuses.DATA_SET_MISMATCH,
        "no data set, one without a UID, one that breaks off, or with other UIDs than the command",
    ),
    (statuses.UNABLE_TO_PROCESS, "the origin fails, or cannot be reached or understood; an error of ours"),
    (statuses.TRANSFER_SYNTAX_NOT_SUPPORTED, "the origin does not take it in this form"),
)
_NORMALIZED: Final = (
    (statuses.INVALID_ATTRIBUTE_VALUE, "MPPS, availability: a wrong value, or no data set"),
    (statuses.PROCESSING_FAILURE, "a part of ours is away, or slow: to be sent again"),
    (statuses.PROCESSING_FAILURE, f"MPPS with Error ID {NOT_UPDATED_ANY_MORE:04X}: the step is over"),
    (statuses.DUPLICATE_SOP_INSTANCE, "MPPS, availability: the UID is taken"),
    (statuses.NO_SUCH_SOP_INSTANCE, "commitment: not the well-known instance; MPPS: no such step"),
    (statuses.INVALID_ARGUMENT_VALUE, "commitment: a UID or the references are missing or wrong"),
    (statuses.INVALID_SOP_INSTANCE, "MPPS, availability: the SOP Instance UID is none"),
    (statuses.MISSING_ATTRIBUTE, "MPPS, availability"),
    (statuses.MISSING_ATTRIBUTE_VALUE, "MPPS, availability"),
    (statuses.NO_SUCH_ACTION_TYPE, f"commitment: the Action Type ID is not {REQUEST_COMMITMENT}"),
    (statuses.NOT_AUTHORIZED, "not among the caller's `operations`"),
    (statuses.UNRECOGNIZED_OPERATION, "an operation that is not done for its SOP class, DIMSE-C too"),
    (statuses.MISTYPED_ARGUMENT, "a parameter is missing in the command, DIMSE-C too, but C-STORE: A900"),
    (statuses.RESOURCE_LIMITATION, "more instances, or studies, than a message has room for"),
)

Rows = Sequence[tuple[str, ...]]


def provided() -> Rows:
    """Give the SOP classes of which we are a provider, as they are negotiated, but those of storage."""
    entity = ApplicationEntity()
    accept_services(entity)
    return [
        (
            UID(str(context.abstract_syntax)).name,
            str(context.abstract_syntax),
            *PROVIDED[str(context.abstract_syntax)],
            _names(context.transfer_syntax),
        )
        for context in entity.supported_contexts
    ]


def dimse() -> Iterator[tuple[str, tuple[str, ...], Rows]]:
    """Give the paragraphs, each with the head and rows of the table behind it."""
    yield (
        _LISTENING.format(scp=Scp()),
        ("SOP class", "UID", "Section", "DIMSE services", "Transfer syntaxes"),
        [
            (UID(VERIFICATION.abstract_syntax).name, *_VERIFICATION, "uncompressed ones"),
            ("Storage: all, also private and unknown ones", "", "PS3.4 Annex B, GG", "C-STORE", "all"),
            *provided(),
            *_searched(),
        ],
    )
    yield (
        "An association is rejected (result, source, reason; PS3.8 Table 9-21) where",
        ("", "Meaning", "When"),
        [(f"{one.result}, {one.source}, {one.reason}", one.meaning, when) for one, when in _REJECTIONS],
    )
    yield _STORING, ("Status", "Meaning", "When"), _statuses(STORE_STATUSES)
    yield _FINDING, ("Status", "Meaning", "When"), _statuses(FIND_STATUSES)
    yield _RETRIEVING, ("Status", "Meaning", "When"), _statuses(RETRIEVE_STATUSES)
    yield _ANSWERS_OF_SERVERS, ("HTTP status", "C-FIND", "C-STORE", "C-MOVE, C-GET"), [*_translated()]
    yield _BESIDE, ("Status", "Meaning", "When"), _statuses(_NORMALIZED)
    yield (
        _USING,
        ("SOP class", "UID", "Section", "DIMSE services"),
        [
            *((UID(uid).name, uid, section, services) for uid, section, services in USED),
            ("Storage: what is to be sent", "", "PS3.4 Annex B", "C-STORE"),
        ],
    )
    yield _SECURE.format(scp=Scp()), ("Version", "Cipher suites"), [*_suites()]
    yield (
        _USING_DICOMWEB.format(instances=INSTANCES_AT_ONCE, mebibytes=BYTES_AT_ONCE // 2**20),
        ("Transaction", "Section", "Method and resource", "Accept, the first that is understood"),
        [
            ("Search", "10.6", f"GET {_SEARCHED}", f"`{json_answer.ACCEPT}`"),
            ("Search of a worklist", "14.4", f"GET `/{_WORKLIST}`, or as set", f"`{json_answer.ACCEPT}`"),
            ("Retrieve", "10.4.1.1.1", f"GET {_RETRIEVED}", f"`{AS_HELD}`, `{BY_DEFAULT}`"),
            ("Store Instances", "10.5", "POST `/studies`", f"`{posting.ACCEPT}`"),
        ],
    )


def _suites() -> Iterator[tuple[str, ...]]:
    context = client_context(PeerTls())
    for version in ("TLSv1.3", "TLSv1.2"):
        names = (str(suite["name"]) for suite in context.get_ciphers() if suite["protocol"] == version)
        yield version.replace("v", " "), ", ".join(names)


def _translated() -> Iterator[tuple[str, ...]]:
    """Give what an HTTP status is to a DIMSE client, of several that are the same in one row."""
    alike: dict[tuple[int, ...], list[str]] = {}
    for status in ANSWERED:
        row = tuple(
            status_of_http(status, one) for one in (Operation.C_FIND, Operation.C_STORE, Operation.C_MOVE)
        )
        alike.setdefault(row, []).append("others" if status == ANSWERED[-1] else str(status))
    for row, answered in alike.items():
        yield ", ".join(answered), *(f"{status:04X}" for status in row)


def _searched() -> Iterator[tuple[str, ...]]:
    syntaxes = _names(TRANSFER_SYNTAXES)
    for model, section in _MODELS.items():
        for uid, operation in ((model.find, "C-FIND"), (model.move, "C-MOVE"), (model.get, "C-GET")):
            yield UID(uid).name, uid, section, operation, syntaxes
    worklist = WORKLIST.abstract_syntax
    yield UID(worklist).name, worklist, "PS3.4 K.6.1", "C-FIND, of a PACS or a DICOMweb server", syntaxes


def _statuses(rows: Sequence[tuple[int, str]]) -> Rows:
    return [(f"{status:04X}", meaning(status), when) for status, when in rows]


_LISTENING: Final = """
## DIMSE services that are provided

The called AE title says what an association is for: that of an origin of any kind, an inbox among them, to
store, search and retrieve there; `dicomweb.ae_title`, to do so at all of them as one; `scp.ae_title`, for
origins that send what a C-MOVE asked them for. Who may is in `access.rules`, by AE title, network,
certificate and user, operation, origin and study; without them everyone who can reach us. What a PACS sends
to `scp.ae_title` is let in from its `host` alone, or with a certificate for that, where there are rules. User
identity (PS3.7 D.3.3.7) is verified where there are rules: user name and passcode are the name of an API key
and the key, a JSON Web Token is one of a provider of `access.oidc`; who asks for a positive response gets
one, and it is empty. A user name alone gives no right and gets no response; Kerberos tickets and SAML
assertions are rejected. What the rules do not let somebody see is for him as if it were not there: it does
not match, is not sent, and is not committed to; a worklist is for those who may see all studies. Who is let
in, and whatever is refused, is recorded,
without patient data. Where the settings do not say otherwise, an association has PDUs of {scp.max_pdu} bytes
at most (`scp.max_pdu`), must be asked for within {scp.negotiation_seconds:.0f} s of its connection
(`scp.negotiation_seconds`), and is aborted after {scp.idle_seconds:.0f} s of silence (`scp.idle_seconds`);
{scp.max_associations} may be open at a time (`scp.max_associations`),
{scp.max_associations_per_ae_title} of one calling AE title (`scp.max_associations_per_ae_title`),
{scp.max_associations_per_address} from one address (`scp.max_associations_per_address`).
Tests: `tests/scp`.
"""
_FINDING: Final = """
C-FIND: all levels of each model; lists of UIDs, ranges, wild cards, sequences, and several values of which
one is to match. What else than UIDs is asked of a level above its own is asked there. Relational queries are
answered, negotiated or not, fuzzy matching of person names is negotiated, combined matching of dates and
times is not. Identifiers of responses have what was asked for, empty where it is not known, and Retrieve AE
Title: the called one. Their text is in the character set of the request where it fits, else in UTF-8.
Patients are those of the studies that match, each once. Statuses, those of failures with an Error Comment:
"""
_STORING: Final = """
Success of a C-STORE into an inbox means that the object is in S3, its data set byte for byte as it came, and
that the event that tells of it is in its stream; nothing is coerced. The same bytes again are Success, and
change nothing; other bytes under a UID that is there are kept beside it, read in its place or refused, as
`conflicts` of the inbox says. While more than `scp.max_receiving_bytes` are on their way into S3 responses
come later.

A C-STORE to another origin is answered with what the origin says, warnings (Bxxx) and failures of its own
among it; or, where `acknowledge` of a DICOMweb origin is `spool`, with Success when the object is in S3 and
its job in a stream. It goes on to the origin then, for as long as that is away; what it refuses as often as
`arrivals.max_attempts` says becomes a dead letter. Who is told that there was no answer in time (A700), and
sends the same again, hears what became of it: the origin does not get it twice, as long as the first is on
its way. Failures, and warnings, have an Error Comment:
"""
_RETRIEVING: Final = f"""
C-MOVE and C-GET, at all levels of each model, each with several UIDs: of one origin or of all as one; C-MOVE
to the application entities in `scp.destinations`, called by `scp.ae_title`, with the client as Move
Originator; C-GET over the association that asked, where the client takes the SCP role for storage. Instances
go as they come from the origin, byte for byte; where the receiver does not take their transfer syntax, in
{" or ".join(_names([uid]) for uid in FALLBACKS)}; where it takes neither, or they cannot
be decompressed, that sub-operation fails. Number of Remaining Sub-operations is absent until it is known how
many there are; Failed SOP Instance UID List names what failed. Statuses, those of failures and warnings with
an Error Comment:
"""
_ANSWERS_OF_SERVERS: Final = """
What a DICOMweb server answers is to a DIMSE client, where it says nothing of single instances:
"""
_SEARCHED: Final = (
    "`/studies`, `/series`, `/instances`, `/studies/{study}/series`, `/studies/{study}/instances`, "
    "`/studies/{study}/series/{series}/instances`"
)
_WORKLIST: Final = DicomwebOrigin.model_fields["worklist"].default
_RETRIEVED: Final = (
    "`/studies/{study}`, `/studies/{study}/series/{series}`, "
    "`/studies/{study}/series/{series}/instances/{instance}`"
)
_BESIDE: Final = f"""
Storage Commitment: Success of the N-ACTION means that the request is kept; its result is what lies in S3 when
it is reported, or, of another origin than an inbox, what that is found to hold by a search for the instances,
with Event Type {ALL_COMMITTED}, or {FAILURES_EXIST} where something lacks. Failure Reason is
{statuses.NO_SUCH_SOP_INSTANCE:04X} for what is not there, {statuses.CLASS_INSTANCE_CONFLICT:04X} for what is
there with another SOP class, {statuses.PROCESSING_FAILURE:04X} for what the origin does not tell. The
N-EVENT-REPORT comes on the association of the request while that is open and quiet, else on one of ours, on
which we propose the SCP role, to the `host` and `port` of the caller in
`scp.callers`; it is tried for a day. Without these, and without its association, a caller has to ask again.
Nothing holds for ever what is committed to: `keep_days` and `delete_forwarded` of an inbox, and DELETE,
remove it all the same.

Modality Performed Procedure Step and Instance Availability Notification: what they name is compared with what
has arrived, and may say when a study is complete. They are kept for a week, and sent to nobody. Failures of
the three services, each with an Error Comment:
"""
_USING: Final = """
## DIMSE services that are used

Of origins, on associations that we request as `scp.ae_title`; at most `associations` of the origin at a time,
over all processes. A C-GET proposes the SCP role for storage, as does an association on which we report the
result of Storage Commitment.
"""
_SECURE: Final = """
## Secure transport connection of DIMSE

The BCP 195 RFC 8996, 9325 TLS Secure Transport Connection Profile (PS3.15 B.12), as server at the port of
`[scp.tls]`, beside or instead of that in clear, and as client, where an origin, a destination or a caller
(for results of Storage Commitment) has a table `tls`. As server with `client_ca_file` we take no association
without a certificate of the client that holds (unless `require_client_certificate` is false), as client none
without one of the server that holds and is for its host, or for `server_name`; a subject's common name counts
where there are no alternative names. Keys of RSA have 2,048 bits at least, signatures no SHA-1. No tickets
are given; a session of TLS 1.2 may be resumed for two hours, but not once a file of certificates has changed.
A handshake counts among the {scp.negotiation_seconds:.0f} s in which an association must be asked for; who
speaks in clear there is answered with an A-ABORT, and closed. Whose handshake fails is recorded, with the
reason. Certificates and keys (PEM) are read anew for the next association when they have changed. What
profiles that are retired have beside that (TLS 1.0 and 1.1, CBC, 3DES, no encryption) is not spoken. Tests:
`tests/scp/test_tls.py`.
"""
_USING_DICOMWEB: Final = """
## DICOMweb services that are used

Of origins, as a user agent of the Studies Service (PS3.18 10): searches page by page (`limit`, `offset`), in
JSON; instances in the transfer syntax in which they are held, or, from servers that do not know that, in
Explicit VR Little Endian; answers of several parts, or of one. Up to {instances} instances of one study, or
{mebibytes} MiB, are stored with a request, each in the transfer syntax that it has. HTTP/1.1, or HTTP/2 in
TLS; Basic authentication (RFC 7617), bearer tokens (RFC 6750), also by OAuth 2.0 client credentials (RFC 6749
4.4), certificates of clients. What is answered with 429 or 503 is asked again as Retry-After says.
"""
