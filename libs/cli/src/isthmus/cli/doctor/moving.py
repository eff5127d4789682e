"""C-MOVE of one instance to ourselves: whether it comes, and else what it failed of (PS3.4 C.4.2).

A PACS sends to an address that it has in its own settings, and few tell why that failed: 0xA801 says that the
destination is not known; Orthanc says C000 of that, and of an address where nobody answers, too: then
`acquainted` is asked.
"""

import time
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from isthmus.cli.doctor import words
from isthmus.cli.doctor.causes import Cause
from isthmus.cli.doctor.findings import Side, Wrong
from isthmus.cli.doctor.pacs import Pacs
from isthmus.cli.doctor.queries import Instance, on_association
from isthmus.cli.doctor.receiver import Arrivals
from isthmus.cli.doctor.retrieving import by_level, without_move
from isthmus.common.dicom.statuses import (
    MOVE_DESTINATION_UNKNOWN,
    NOT_AUTHORIZED,
    OUT_OF_RESOURCES_SUB_OPERATIONS,
    SUCCESS,
    meaning,
)
from isthmus.common.dimse import MOVE, STUDY_ROOT_MOVE, Association, Category, SubOperations, category
from isthmus.common.errors import AssociationAborted, NoAcceptedContext, OriginError, OriginTimeout

LATE_SECONDS: Final = 1.0
"""For what the PACS says that it sent, and that is not here yet."""
FIREWALL_SECONDS: Final = 2.5
"""Who needs so long to find out that nobody answers has got no answer at all, and not a refusal."""
_UNABLE: Final = 0xC
"""The first digit of the statuses that say nothing but that it failed (PS3.4 C.4.2.1.5)."""


@dataclass(frozen=True, slots=True)
class Moved:
    """How a C-MOVE ended."""

    seconds: float
    result: SubOperations | None = None
    error: OriginError | None = None
    is_acquainted: bool | None = None
    """Whether the PACS has an entry for us, where it was found out in another way."""

    @property
    def is_unexplained(self) -> bool:
        """Whether it failed at once, and the status says nothing of why."""
        status = SUCCESS if self.result is None else self.result.status
        return status >> 12 == _UNABLE and not self.was_counted and self.seconds < FIREWALL_SECONDS

    @property
    def has_failed(self) -> bool:
        """Whether nothing is to come any more."""
        return self.result is None or category(self.result.status) is Category.FAILURE

    @property
    def was_counted(self) -> bool:
        """Whether the PACS says that it tried to send, and failed."""
        return self.result is not None and (
            bool(self.result.failed) or self.result.status == OUT_OF_RESOURCES_SUB_OPERATIONS
        )


async def move_one(pacs: Pacs, instance: Instance) -> Moved:
    """Ask for an instance to be sent to us."""

    def move(association: Association) -> SubOperations:
        return by_level(
            pacs, instance, lambda wanted: association.move(STUDY_ROOT_MOVE, wanted, pacs.us.ae_title)
        )

    began = time.monotonic()
    try:
        result = await on_association(pacs, (MOVE,), move)
    except OriginError as error:
        return Moved(time.monotonic() - began, error=error)
    return Moved(time.monotonic() - began, result)


def judge(moved: Moved, arrivals: Arrivals, pacs: Pacs, host: str) -> str:
    """Say what came of it.

    Args:
        moved: how it ended.
        arrivals: what came at our port.
        pacs: whom we asked.
        host: on which our port listens.

    Raises:
        Wrong: nothing came, or from somebody whom scp does not know.
    """
    listens = f"[{host}]:{pacs.us.port}" if ":" in host else f"{host}:{pacs.us.port}"
    if arrivals.instances:
        _check_name(arrivals, pacs)
        return f"it came to {listens}, and nothing of it is kept"
    refused = _refused(moved, pacs)
    if refused is not None:
        raise refused
    if arrivals.connections:
        raise _met(arrivals, pacs, listens)
    if _is_loopback(host) and not _is_loopback(pacs.us.host):
        raise _on_loopback(pacs, listens)
    raise _missed(moved, pacs) if arrivals.sees_connections else _unseen(moved, pacs)


def not_offered(pacs: Pacs) -> Wrong:
    """Say that there is no C-MOVE."""
    return Wrong(
        Cause.MOVE_NOT_OFFERED,
        Side.THEIRS,
        f"the PACS at {pacs.address} does not offer C-MOVE, which {pacs.place}.retrieve allows",
        *words.offered(pacs.us, "Study Root Query/Retrieve - MOVE"),
        without_move(pacs),
    )


def _check_name(arrivals: Arrivals, pacs: Pacs) -> None:
    names = arrivals.calling_ae_titles - {pacs.peer.called_ae_title}
    if names and pacs.peer.called_ae_title not in arrivals.calling_ae_titles:
        name = min(names)
        raise Wrong(
            Cause.MOVE_UNDER_ANOTHER_NAME,
            Side.THEIRS,
            f"the PACS at {pacs.address} sends under the AE title {name}, and we ask it as"
            f" {pacs.peer.called_ae_title}: scp takes what is moved from those alone whom it knows",
            f"there: have it send to us under the AE title {pacs.peer.called_ae_title}",
            f"or here: {pacs.place}.ae_title = {name!r}, if it may be called so, too",
            without_move(pacs),
        )


def _refused(moved: Moved, pacs: Pacs) -> Wrong | None:
    """Say what the PACS says of it, where that is clear."""
    if isinstance(moved.error, NoAcceptedContext):
        return not_offered(pacs)
    status = SUCCESS if moved.result is None else moved.result.status
    if isinstance(moved.error, AssociationAborted) or status == NOT_AUTHORIZED:
        return Wrong(
            Cause.MOVE_FORBIDDEN,
            Side.THEIRS,
            f"the PACS at {pacs.address} does not let {pacs.us.ae_title} do C-MOVE",
            *words.allowed(pacs.us, "Move"),
            without_move(pacs),
        )
    if status == MOVE_DESTINATION_UNKNOWN or moved.is_acquainted is False:
        return Wrong(
            Cause.MOVE_DESTINATION_UNKNOWN,
            Side.THEIRS,
            f"the PACS at {pacs.address} knows no C-MOVE destination {pacs.us.ae_title} ({status:04X})",
            *words.known(pacs.us),
            without_move(pacs),
        )
    unexplained = moved.was_counted or status >> 12 == _UNABLE
    if category(status) is Category.FAILURE and not unexplained:
        return Wrong(
            Cause.MOVE_FAILS,
            Side.THEIRS,
            f"the PACS at {pacs.address} fails at C-MOVE with {status:04X}: {meaning(status)}",
            "see in its log why",
            without_move(pacs),
        )
    return None


def _met(arrivals: Arrivals, pacs: Pacs, listens: str) -> Wrong:
    """Say what is wrong where the PACS came to our port, and sent nothing."""
    if not arrivals.calling_ae_titles:
        spoken, other = ("TLS", "in clear") if pacs.us.tls else ("in clear", "TLS")
        return Wrong(
            Cause.MOVE_WITH_OTHER_TLS,
            Side.THEIRS,
            f"the PACS at {pacs.address} connects to {listens}, and asks for no association: it speaks"
            f" {other} there, and we {spoken}",
            f"there: set TLS of the destination {pacs.us.ae_title} to what is spoken at port {pacs.us.port}"
            " (Orthanc: UseDicomTls of its entry in DicomModalities)",
            "or here: scp.tls gives a port with TLS, scp.listen one in clear",
        )
    return Wrong(
        Cause.MOVE_FAILS,
        Side.THEIRS,
        f"the PACS at {pacs.address} opens an association with us, and sends no instance over it",
        "see in its log why: it may be that it does not send what it holds in any transfer syntax",
        without_move(pacs),
    )


def _on_loopback(pacs: Pacs, listens: str) -> Wrong:
    return Wrong(
        Cause.SCP_ON_LOOPBACK,
        Side.OURS,
        f"scp listens on {listens}, where this machine alone reaches it, and the PACS at {pacs.address} is"
        " another one: what it is to send to us cannot come",
        f'scp.{"tls.listen" if pacs.us.tls else "listen"} = "0.0.0.0:{pacs.us.port}", which takes rules'
        " (access.rules), as docs/security.md says",
        f"at the PACS: {pacs.us.ae_title} is at host {pacs.us.host}, port {pacs.us.port}",
        without_move(pacs),
    )


def _missed(moved: Moved, pacs: Pacs) -> Wrong:
    """Say what is wrong where nobody came to our port."""
    it, us = pacs.address, pacs.us
    if not moved.has_failed:
        if not moved.was_counted:
            return Wrong(
                Cause.MOVE_WENT_ELSEWHERE,
                Side.THEIRS,
                f"the PACS at {it} says that it has sent the instance to {us.ae_title}, and it did not come"
                " here: the address that it has for this AE title is another system's",
                *words.known(us),
            )
    elif isinstance(moved.error, OriginTimeout) or moved.seconds >= FIREWALL_SECONDS:
        return Wrong(
            Cause.MOVE_DESTINATION_UNREACHABLE,
            Side.NETWORK,
            f"the PACS at {it} got no answer where it has {us.ae_title}: in {moved.seconds:.1f} s nothing"
            f" came to port {us.port} here: a firewall drops what it sends, or its entry has a wrong host",
            f"let TCP from {pacs.peer.host} to {us.host}, port {us.port}, through each firewall on the way,"
            " also that of this machine",
            *words.known(us),
        )
    elif not moved.was_counted and not moved.is_acquainted:
        return Wrong(
            Cause.MOVE_DESTINATION_UNKNOWN_OR_WRONG,
            Side.THEIRS,
            f"the PACS at {it} fails at C-MOVE before it sends anything, and does not say why (Orthanc"
            f" does so): it knows no C-MOVE destination {us.ae_title}, or has a wrong host or port for it",
            *words.known(us),
            without_move(pacs),
        )
    return Wrong(
        Cause.MOVE_DESTINATION_UNREACHABLE,
        Side.THEIRS,
        f"the PACS at {it} knows {us.ae_title}, and could not connect to the host and port that it has for"
        " it: nothing came here",
        f"there: correct them to host {us.host}, port {us.port}",
        *words.known(us),
        f"if they are so: see that no firewall rejects TCP from {pacs.peer.host} to port {us.port} here",
    )


def _unseen(moved: Moved, pacs: Pacs) -> Wrong:
    """Say what may be wrong where scp takes what comes: somebody may have come to it, and been refused."""
    likely = _missed(moved, pacs).finding
    how = "fails at C-MOVE" if moved.has_failed else "says that C-MOVE has ended"
    return Wrong(
        likely.cause,
        likely.side,
        f"the PACS at {pacs.address} {how}, and nothing that it sends to {pacs.us.ae_title} is taken as ours",
        "first see whether scp refuses who sends, for its AE title, its address or its TLS: isthmus audit"
        " --since 5m --outcome refused",
        'and whether it refuses what is sent: "not stored" in its log, which tells the AE title and why (what'
        " isthmus up writes; docker compose logs scp; kubectl logs)",
        "or, where isthmus up runs it, stop that, and run isthmus doctor again, which then sees who connects",
        *likely.advice,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
