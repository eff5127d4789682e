"""`isthmus link`: a URL that opens one study, for a while, to whoever has it."""

import time
from pathlib import Path
from typing import Final
from urllib.parse import quote

from isthmus.cli.client import Gateway, Refused, SearchAnswer, resource_path
from isthmus.cli.connected import connected
from isthmus.cli.output import values, write_error, write_json, write_line, written_time
from isthmus.cli.recording import record_own
from isthmus.cli.run_file import RunFile
from isthmus.common.auth.links import PARAMETER, Links
from isthmus.common.config.kinds import is_on_this_machine
from isthmus.common.dicomweb.resource import ALL, LINKS_PATH, service_path
from isthmus.common.messages.audit import ActionCode, AuditEvent, AuditType

_HOUR_SECONDS: Final = 3600.0
_RETRIEVE_URL: Final = "00081190"


async def link(
    data: Path, study: str, origin: str | None, *, hours: float, as_viewer: bool = False, as_json: bool
) -> None:
    """Print a link to a study.

    Args:
        data: the data folder of a running system.
        study: Study Instance UID.
        origin: where it is; None: where it is found.
        hours: for how long the link holds.
        as_viewer: as the URL of a page, on which the viewer shows the study.
        as_json: with all that there is to say of it.

    Raises:
        NotRunning: nothing runs with the data folder.
        Refused: there is no such study: a link to it would open nothing; or there is no viewer.
        GatewayAway: no answer.
        BusUnavailable: it cannot be recorded.
    """
    run = RunFile.read(data)
    async with Gateway.of(data) as gateway:
        if as_viewer and not await gateway.has_viewer():
            raise Refused(
                "the gateway serves no viewer: isthmus viewer fetches it for isthmus up, which is then to be"
                " started anew; in containers the profile viewer brings it"
            )
        where = await _origin_of(gateway, study, origin)
    until = time.time() + hours * _HOUR_SECONDS
    links = Links(run.link_key)
    shown = links.make(where, study, until)
    async with connected(data, "isthmus link") as system:  # what is not recorded is not shown
        await record_own(
            system.bus,
            "isthmus link",
            AuditEvent.SECURITY_ALERT,
            ActionCode.EXECUTE,
            event_type=AuditType.OBJECT_SECURITY_ATTRIBUTES_CHANGED,
            reason=f"The link {links.principal(shown).name} to a study holds until {written_time(until)}",
            origin=where,
            study=study,
        )
    url = f"{run.clients}{resource_path(where, study)}?{PARAMETER}={shown}"
    if as_viewer:  # OHIF takes the token out of its URL, and shows it the faces
        url = f"{run.clients}/viewer?StudyInstanceUIDs={quote(study, safe='')}&token={shown}"
    if as_json:
        write_json(
            {
                "url": url,
                "link": shown,
                "root": f"{run.clients}{LINKS_PATH}{shown}{service_path(where)}",
                "origin": where,
                "study": study,
                "until": written_time(until),
            }
        )
        return
    write_line(url)
    write_error(f"whoever has it may see this study at {where!r} until {written_time(until)}")
    if is_on_this_machine(run.clients):
        write_error("it opens on this machine alone: gateway.url says where clients of others reach us")


async def _origin_of(gateway: Gateway, study: str, origin: str | None) -> str:
    """Give an origin that has the study."""
    path = f"{service_path(origin or ALL)}/studies"
    answer = await gateway.search(path, [("StudyInstanceUID", study)])
    if not answer.matches:
        nowhere = f"there is no study {study} at {origin!r}" if origin else f"no origin has the study {study}"
        raise Refused(f"{nowhere}{_as_far_as_known(answer)}")
    return origin or _named_in(answer)


def _as_far_as_known(answer: SearchAnswer) -> str:
    """Give the end of a refusal: which origins could not be asked."""
    return f" ({answer.warning})" if answer.warning else ""


def _named_in(answer: SearchAnswer) -> str:
    """Read from the URL of a match where it is."""
    url = next(iter(values(answer.matches[0], _RETRIEVE_URL)), "")
    _, _, path = url.partition("/aets/")
    name = path.partition("/")[0]
    if not name:
        raise Refused(f"say by --origin where: it may be at several origins{_as_far_as_known(answer)}")
    return name
