"""What it means when a PACS makes no association with us."""

import asyncio
from dataclasses import replace
from typing import Final

from isthmus.cli.doctor import words
from isthmus.cli.doctor.causes import Cause
from isthmus.cli.doctor.findings import Side, Wrong
from isthmus.cli.doctor.network import Speaks, speaks
from isthmus.cli.doctor.pacs import Pacs
from isthmus.cli.doctor.tls import UNEXPLAINED, Place, no_tls
from isthmus.common.dimse import VERIFICATION, Association, Peer
from isthmus.common.dimse.tls_fault import TlsFault
from isthmus.common.errors import (
    AssociationRejected,
    NoAcceptedContext,
    OriginError,
    OriginTimeout,
    OriginUnreachable,
)

# PS3.8 Table 9-21
_TRANSIENT: Final = 2
_BY_USER: Final = 1
_BY_PRESENTATION: Final = 3
_CALLING_UNKNOWN: Final = 3
_CALLED_UNKNOWN: Final = 7


async def why_none(error: OriginError, pacs: Pacs) -> Wrong:
    """Find out why there is no association, though the port takes connections."""
    place, it, seconds = pacs.place, pacs.address, pacs.patience.connect
    if isinstance(error, AssociationRejected):
        return _rejected(error, pacs)
    if isinstance(error, NoAcceptedContext):
        return Wrong(
            Cause.FIND_NOT_OFFERED,
            Side.THEIRS,
            f"{it} accepts the association, and none of what we propose: neither C-ECHO nor C-FIND",
            f"see that {pacs.peer.port} is the port of its Query/Retrieve service, else correct {place}.port",
            *words.offered(pacs.us, "Study Root Query/Retrieve - FIND"),
        )
    if isinstance(error, OriginUnreachable) and error.tls_fault is not None:
        return await _of_tls(TlsFault(error.tls_fault), pacs)
    heard = await speaks(pacs.peer.host, pacs.peer.port, seconds)
    return _of_what_it_speaks(heard, pacs) or _nothing_said(error, pacs)


def _rejected(error: AssociationRejected, pacs: Pacs) -> Wrong:
    result, source, reason = error.rejection or (0, 0, 0)
    peer, us, place, it = pacs.peer, pacs.us, pacs.place, pacs.address
    if source == _BY_USER and reason == _CALLING_UNKNOWN:
        return Wrong(
            Cause.CALLING_AE_UNKNOWN,
            Side.THEIRS,
            f"the PACS at {it} does not know us: it rejects the calling AE title {us.ae_title}",
            *words.known(us),
            f"if it knows us by another AE title, or at another address than {us.host}: have that"
            " corrected there, or scp.ae_title here",
        )
    if source == _BY_USER and reason == _CALLED_UNKNOWN:
        return Wrong(
            Cause.CALLED_AE_UNKNOWN,
            Side.OURS,
            f"the PACS at {it} is not called {peer.called_ae_title}: it rejects this called AE title",
            f"{place}.ae_title: write its own AE title in the place of {peer.called_ae_title}, in the same"
            " upper and lower case; its administrator knows it",
            "Orthanc: DicomAet in its configuration; dcm4chee: the archive's AE, by default DCM4CHEE;"
            " dcmqrscp: the first word of a line in AETable",
            f"dcmqrscp says the same to peers that the line does not let in: {us.ae_title} must be one of"
            f" them (HostTable: isthmus = ({us.ae_title}, {us.host}, {us.port})), or the line end with ANY",
        )
    if result == _TRANSIENT or source == _BY_PRESENTATION:
        return Wrong(
            Cause.ASSOCIATION_LIMIT,
            Side.THEIRS,
            f"the PACS at {it} has as many associations as it allows: {error.detail}",
            f"there: allow {us.ae_title} more associations at a time",
            f"or here: lower {place}.associations to what it allows us; others may use them up, too",
        )
    return Wrong(
        Cause.ASSOCIATION_REJECTED,
        Side.THEIRS,
        f"the PACS at {it} rejects us, and gives no better reason: {error.detail}",
        "many do so with whom they do not know:",
        *words.known(us),
        f"and with an AE title that is not theirs: see that {place}.ae_title = {peer.called_ae_title!r} is",
    )


async def _of_tls(fault: TlsFault, pacs: Pacs) -> Wrong:
    if fault in UNEXPLAINED and await asyncio.to_thread(_speaks_in_clear, pacs.peer, pacs.patience.connect):
        fault = TlsFault.NO_TLS
    tls, keys = pacs.origin.tls, f"{pacs.place}.tls"
    there = Place(
        pacs.peer.host,
        pacs.peer.port,
        name=(tls.server_name if tls is not None else None) or pacs.peer.host,
        ca_file=f"{keys}.ca_file",
        certificate_file=f"{keys}.certificate_file",
        shows_certificate=tls is not None and tls.certificate_file is not None,
        without=f"{keys}: remove the table [origins.tls], and everything goes in clear",
        naming=f"{keys}.server_name",
    )
    return no_tls(fault, there)


def _speaks_in_clear(peer: Peer, seconds: float) -> bool:
    try:
        Association.open(replace(peer, tls=None, timeout=seconds), [VERIFICATION]).release()
    except AssociationRejected:
        return True
    except OriginError:
        return False
    return True


def _of_what_it_speaks(heard: Speaks, pacs: Pacs) -> Wrong | None:
    peer, place, it = pacs.peer, pacs.place, pacs.address
    if heard in {Speaks.HTTP, Speaks.HTTPS}:
        return Wrong(
            Cause.SPEAKS_HTTP,
            Side.OURS,
            f"{it} speaks HTTP, not DICOM: it is the port of a web page, or of DICOMweb",
            f"{place}.port: write the DICOM port in the place of {peer.port}: often 104 or 11112; Orthanc:"
            " DicomPort (4242), not HttpPort (8042)",
            'or, if it is a DICOMweb server: protocol = "dicomweb" and a url',
        )
    if heard is Speaks.TLS:
        return Wrong(
            Cause.SPEAKS_TLS,
            Side.OURS,
            f"{it} speaks TLS, and we speak in clear",
            f"{place}.tls: add a table [origins.tls], with ca_file and, where it wants one, certificate_file"
            " and key_file",
            f"or {place}.port: write the port on which it speaks DICOM in clear in the place of {peer.port}",
        )
    if heard in {Speaks.SOMETHING, Speaks.NATS}:
        return Wrong(
            Cause.NOT_DICOM,
            Side.OURS,
            f"{it} speaks something else than DICOM",
            f"{place}.port: write the DICOM port in the place of {peer.port}: often 104 or 11112",
        )
    return None


def _nothing_said(error: OriginError, pacs: Pacs) -> Wrong:
    peer, place, it = pacs.peer, pacs.place, pacs.address
    if isinstance(error, OriginTimeout):
        return Wrong(
            Cause.ASSOCIATION_SILENT,
            Side.THEIRS,
            f"{it} takes the connection, and does not answer the request for an association",
            "see in its log whether the request came; it may be overloaded, or let callers wait while it has"
            f" as many associations as it allows (here: {place}.associations)",
            f"if {peer.port} is not its DICOM port: correct {place}.port",
        )
    return Wrong(
        Cause.ASSOCIATION_DROPPED,
        Side.THEIRS,
        f"{it} ends the connection when we ask for an association, and says nothing",
        "some PACS do so with addresses that they do not know:",
        *words.known(pacs.us),
        f"if {peer.port} is not its DICOM port: correct {place}.port",
    )
