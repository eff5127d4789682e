"""Legacy clients before a DICOMweb server: images to a destination, and searches, against httpx2 alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE, evt

from bench.contestants import ContestantFailed, bare_send, bare_web
from bench.dcmtk import findscu, movescu, storescu
from bench.exchange import INSTANCES, JSON
from bench.rounds import alternate
from bench.site import COUNTED_WEB, STUDIES, TIMED, WEB, Site, profile_note
from bench.table import Row, Section, failed, longer, speed
from tests.peers import Peer

_SUCCESS: Final = 0x0000


def measure(site: Site) -> Section:
    """Measure C-MOVE and C-FIND by DCMTK's clients; they and storescp have TCP_NODELAY=1."""
    section = Section("The inverse")
    for name, part in (("C-MOVE", _moved), ("the first image", _first_image), ("C-FIND", _found)):
        try:
            part(site, section)
        except ContestantFailed as reason:
            section.rows.append(failed(f"inverse: {name}", reason))
    return section


def _moved(site: Site, section: Section) -> None:
    study, rounds = site.study, min(site.options.rounds, 3)
    count = len(study.files)
    used: dict[str, float] = {}

    def ours() -> float:
        site.clear(study, WEB)
        site.storescp.clear()
        with site.profile(used):
            seconds = movescu(site.called(WEB), site.storescp.peer.ae_title, study.uid, count)
        _arrived(site, count)
        return seconds

    def in_sequence(send: Callable[[], float]) -> float:
        site.storescp.clear()
        seconds = bare_web(site.orthanc_url + study.path, INSTANCES, size=study.size) + send()
        _arrived(site, count)
        return seconds

    peer = site.storescp.peer
    sends: dict[str, Callable[[], float]] = {
        "bare": partial(bare_send, peer, study, tuned=False),
        "tuned": partial(bare_send, peer, study, tuned=True),
        "dcmtk": partial(storescu, peer, study.files, no_delay=True),
    }
    turns: dict[str, Callable[[], float]] = {
        "ours": ours,
        **{name: partial(in_sequence, send) for name, send in sends.items()},
    }
    times = alternate(rounds, turns)
    title = f"C-MOVE of {count} CT from a DICOMweb server, cold"
    section.rows += [
        speed(
            f"{title}, against WADO-RS by httpx2 and then C-STORE by pynetdicom, all with TCP_NODELAY",
            times["ours"],
            times["bare"],
            size=study.size,
            at_least=1,
            goal=2,
        ),
        speed("- the same with our sockets", times["ours"], times["tuned"], size=study.size),
        speed("- the same by httpx2 and storescu", times["ours"], times["dcmtk"], size=study.size),
    ]
    section.notes.append(f"Seconds of processor time a C-MOVE: {profile_note(used, rounds)}.")


def _arrived(site: Site, count: int) -> None:
    if (arrived := len(site.storescp.files())) != count:
        raise ContestantFailed(f"{arrived} of {count} instances at the destination")


def _first_image(site: Site, section: Section) -> None:
    """How far the body of the WADO answer was when the destination had the first image."""
    study = site.study
    site.clear(study, COUNTED_WEB)
    seen: list[int] = []
    before = site.web_meter.sent
    with _destination(site, seen) as destination:
        movescu(site.called(COUNTED_WEB), destination.ae_title, study.uid, len(study.files))
    sent = seen[0] - before
    section.rows.append(
        Row(
            measure="the first image at the destination: how much of the study the server had sent by then",
            ours=f"{sent / 1e6:.3g} of {study.size / 1e6:.3g} MB",
            ratio=f"{sent / study.size:.1%}",
            wanted="< 100 %",
            met=sent < study.size,
        )
    )


@contextmanager
def _destination(site: Site, seen: list[int]) -> Iterator[Peer]:
    """Take images, and note at each how many bytes the DICOMweb server had sent."""

    def take(_: evt.Event) -> int:
        seen.append(site.web_meter.sent)
        return _SUCCESS

    ae = AE(ae_title=TIMED)
    ae.add_supported_context(CTImageStorage, ExplicitVRLittleEndian)
    peer = Peer(TIMED, "127.0.0.1", site.timed_port)
    handlers: list[evt.EventHandlerType] = [(evt.EVT_C_STORE, take)]
    ae.start_server((peer.host, peer.port), block=False, evt_handlers=handlers)
    try:
        yield peer
    finally:
        ae.shutdown()


def _found(site: Site, section: Section) -> None:
    matches, rounds = site.options.matches, site.options.rounds
    site.load_studies()
    returned = {**dict.fromkeys(_RETURNED, ""), "PatientID": STUDIES}
    turns = {
        "ours": partial(findscu, site.called(WEB), returned, matches),
        "qido": partial(bare_web, f"{site.orthanc_url}/studies?PatientID={STUDIES}", JSON, items=matches),
        "orthanc": partial(findscu, site.orthanc.peer, returned, matches),
    }
    times = alternate(rounds, turns)
    section.rows += [
        longer(
            f"C-FIND of {matches} studies at a DICOMweb server, against QIDO-RS by httpx2, JSON decoded",
            times["ours"],
            times["qido"],
            at_most=1.5,
        ),
        speed("- the same against Orthanc's own C-FIND", times["ours"], times["orthanc"]),
    ]


_RETURNED: Final = (
    *("StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "AccessionNumber", "StudyDescription"),
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "ReferringPhysicianName"),
    *("ModalitiesInStudy", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances"),
)
"""What a workstation shows of a study."""
