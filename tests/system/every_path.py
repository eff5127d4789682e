"""Every way by which patient data gets into a system and out of it, and what may go wrong on each, once."""

import base64
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx2
import pydicom
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset
from pynetdicom import AE

from isthmus.common.config.settings import S3
from isthmus.common.dicomweb.transactions import INSTANCE, SERIES, STUDY, TRANSACTIONS, Service
from tests.data_sets import identity
from tests.pacs import Comments, FailsRetrieve, FaultyPacs, FindFails, StoreStatus
from tests.peers import Peer, echoscu, eventually, findscu, free_port, getscu, movescu, storescu
from tests.peers.worklist import Wlmscpfs
from tests.scp.modality import CT, Modality, action_information, ask
from tests.system.blabbing import Blabbing
from tests.system.collector import Collector
from tests.system.conftest import client_of
from tests.system.every_path_settings import settings
from tests.system.gateway import Gateway
from tests.system.marked import (
    ACCESSION,
    BIRTH_DATE,
    DESCRIPTION,
    NAME,
    PATIENT_ID,
    mark,
    marked_series,
    uids,
)
from tests.system.multipart import BOUNDARY, PAYLOAD, payload
from tests.waiting import PATIENCE

KEYS: Final = {
    "PatientName": NAME,
    "PatientID": PATIENT_ID,
    "AccessionNumber": ACCESSION,
    "PatientBirthDate": BIRTH_DATE,
    "StudyDate": NAME,
    "limit": PATIENT_ID,
    "includefield": NAME,
    "fuzzymatching": NAME,
    NAME: PATIENT_ID,
}
"""Of searches: those that hold, and those that are wrong."""
GIVE: Final = frozenset({"FAULTY", "WEB", "ALL", "BUCKET", "INBOX"})
"""By these called AE titles instances are to be had."""
BAGGAGE: Final = {
    "baggage": f"patient={PATIENT_ID}",
    "tracestate": f"isthmus={PATIENT_ID}",
    "User-Agent": NAME,
    "Cookie": f"patient={PATIENT_ID}",
    "Authorization": f"Basic {base64.b64encode(f'{NAME}:{PATIENT_ID}'.encode()).decode()}",
}


@dataclass(frozen=True)
class Paths:
    """What there was, and what was told of it."""

    system: Gateway
    collector: Collector
    said: Mapping[str, str]
    """By commands, and at /metrics, by whom."""
    uids: set[str]
    to_webhook: list[dict[str, str]]
    """The headers of each request."""
    to_origin: list[dict[str, str]]
    answered: Mapping[tuple[str, str], int]
    """The statuses of what was retrieved by HTTP: by origin, and by what it is of a study."""
    origins: frozenset[str] = frozenset(
        {"marked", "mover", "failing", "refusing", "web", "blab", "bucket", "inbox"}
    )


@dataclass(frozen=True)
class _Site:
    http: httpx2.Client
    scp: Peer
    folder: Path
    held: list[Path]
    """At the PACS."""
    listed: list[Path]
    """In the bucket."""
    pushed: list[Path]
    refused: list[Path]
    """At a PACS that tells of them, and does not give them."""
    broken: list[Path]
    """Of which nobody can make anything."""
    answered: dict[tuple[str, str], int] = field(default_factory=dict)
    """The statuses of what was retrieved by HTTP: by origin, and by what it is of a study."""

    def get(self, path: str, accept: str = "*/*", params: Mapping[str, str] | None = None) -> int:
        """Ask, read all that comes, and give the status; whoever breaks the answer off has answered, too."""
        headers = {**BAGGAGE, "Accept": accept}
        with suppress(httpx2.RemoteProtocolError):
            return self.http.get(path, params=params, headers=headers).status_code
        return 0

    def called(self, ae_title: str) -> Peer:
        return self.scp._replace(ae_title=ae_title)


def every_path(folder: Path, bucket: S3, workstation: Peer, collector: Collector) -> Paths:
    """Go every path through a system of its own, and stop it.

    Args:
        folder: takes whatever it writes.
        bucket: of others, for which it is an origin.
        workstation: where C-MOVE may send.
        collector: who takes its spans and metrics.
    """
    held = marked_series(folder / "held", 3, 4711)
    listed = marked_series(folder / "listed", 2, 4712)
    pushed = marked_series(folder / "pushed", 2, 4713)
    wrong = marked_series(folder / "wrong", 1, 4714, StudyDate=NAME, StudyTime=PATIENT_ID)
    without = marked_series(folder / "without", 1, 4715, StudyInstanceUID="")
    foreign = marked_series(folder / "foreign", 1, 4716, SOPInstanceUID=PATIENT_ID)
    refused = marked_series(folder / "refused", 1, 4717)
    step = _step()
    scp = Peer("ISTHMUS", "127.0.0.1", free_port())
    words = f"{NAME} {PATIENT_ID}"
    with ExitStack() as running:
        pacs = running.enter_context(FaultyPacs(held))
        mover = running.enter_context(FaultyPacs(held, ae_title="MOVER", destinations=[scp]))
        failing = running.enter_context(
            FaultyPacs(
                held,
                Comments(comment=words),
                FindFails(status=0xC001),
                StoreStatus(status=0xA900),
                ae_title="FAILING",
            )
        )
        refusing = running.enter_context(
            FaultyPacs(refused, Comments(comment=words), FailsRetrieve(status=0xC002), ae_title="REFUSING")
        )
        worklist = running.enter_context(Wlmscpfs(folder / "worklist", [step]))
        blab = running.enter_context(Blabbing(words, [400, 500, 302, 200]))
        hook = running.enter_context(Blabbing(words, [500, 302, 204]))
        system = Gateway(
            folder,
            settings(
                pacs.peer,
                mover.peer,
                failing.peer,
                refusing.peer,
                worklist.peer,
                blab,
                hook,
                bucket,
                workstation,
                collector,
            ),
            scp,
            variables={"OTEL_METRIC_EXPORT_INTERVAL": "1000"},
        )
        web = f'ae_title = "WEB"\nurl = "{system.url}/aets/marked"\n'
        web = f'[[origins]]\nname = "web"\nprotocol = "dicomweb"\n{web}'
        system.config.write_text(system.config.read_text() + web)
        client = client_of(bucket)
        for file in listed:
            who = identity(file)
            key = f"marked/{who.study_instance_uid}/{who.series_instance_uid}/{who.sop_instance_uid}"
            client.fput_object(bucket.bucket, key, str(file))
        with system, httpx2.Client(base_url=system.url, timeout=PATIENCE, trust_env=False) as http:
            site = _Site(http, scp, folder, held, listed, pushed, refused, [*wrong, *without, *foreign])
            for path in _PATHS:
                path(site)
            assert eventually(lambda: len(hook.headers) >= 3)
            assert eventually(lambda: "failing" in system.isthmus("dead").stdout)
            said = dict(_said(system))
    return Paths(
        system,
        collector,
        said,
        uids([*held, *listed, *pushed, *refused]),
        hook.headers,
        blab.headers,
        site.answered,
    )


def _step() -> Dataset:
    """A scheduled procedure step of the patient."""
    step, item = Dataset(), Dataset()
    mark(step)
    step.SpecificCharacterSet, step.StudyInstanceUID = "ISO_IR 100", pydicom.uid.generate_uid()
    step.RequestedProcedureID, step.RequestedProcedureDescription = "1", DESCRIPTION
    item.ScheduledStationAETitle, item.Modality = "CT1", "CT"
    item.ScheduledProcedureStepStartDate, item.ScheduledProcedureStepStartTime = "20240229", "101500"
    item.ScheduledProcedureStepID, item.ScheduledProcedureStepDescription = "1", DESCRIPTION
    step.ScheduledProcedureStepSequence = [item]
    return step


def _search(site: _Site) -> None:
    """QIDO-RS by all that is the patient's, everywhere, also in wrong places."""
    for key, value in KEYS.items():
        site.get("/aets/marked/studies", params={key: value})
    for origin in ("mover", "failing", "web", "blab", "bucket", "inbox", "worklist"):
        site.get(f"/aets/{origin}/studies", params={"PatientName": NAME, "PatientBirthDate": BIRTH_DATE})
        site.get(f"/aets/{origin}/instances", params={"PatientID": PATIENT_ID, "includefield": "all"})
        site.get(f"/aets/{origin}/studies/{NAME}/series")
    for path in (one.path for one in TRANSACTIONS if one.service is Service.SEARCH):
        site.get(f"/aets/marked{_of(site.held[0], path)}", params={"PatientName": NAME})
    site.get("/dicomweb/studies", params={"PatientName": NAME})
    site.get(f"/aets/{NAME}/studies")
    site.get(f"/{NAME}", params={"patient": PATIENT_ID})
    site.get("/aets/marked/studies", accept=NAME)


def _retrieve(site: _Site) -> None:
    """WADO-RS and WADO-URI of everything that can be had of a study, of each origin."""
    for origin, files in (
        *((origin, site.held) for origin in ("marked", "mover", "web", "failing", "blab")),
        ("bucket", site.listed),
        ("inbox", site.pushed),
        ("refusing", site.refused),
    ):
        who, root = identity(files[0]), f"/aets/{origin}"
        study = f"{root}/studies/{who.study_instance_uid}"
        for media_type in ('multipart/related; type="application/dicom"', "application/zip"):
            site.answered[origin, media_type] = site.get(study, media_type)
        for path in (one.path for one in TRANSACTIONS if one.service is Service.RETRIEVE):
            site.answered[origin, path] = site.get(root + _of(files[0], path))
        instance = root + _of(files[0], INSTANCE)
        site.get(f"{instance}/frames/4711")
        site.get(f"{instance}/rendered", params={"window": NAME, "annotation": "patient"})
        wado = {
            "requestType": "WADO",
            "studyUID": who.study_instance_uid,
            "seriesUID": who.series_instance_uid,
            "objectUID": who.sop_instance_uid,
        }
        for more in ({}, {"contentType": "application/dicom"}, {"annotation": NAME}, {"contentType": NAME}):
            site.get(f"{root}/wado", params={**wado, **more})


def _store(site: _Site) -> None:
    """STOW-RS of what is whole, of what is not, and of what is none."""
    files = [file.read_bytes() for file in (*site.pushed, *site.broken)]
    cut = payload(files)[: -len(files[-1]) // 2]
    no_dicom = payload([f"{NAME} is no DICOM object. ".encode() * 100])
    header = f"Content-Location: {PATIENT_ID}\r\nContent-Type:"
    with_names = payload(files).replace(b"Content-Type:", header.encode())
    for body in (cut, no_dicom, with_names, NAME.encode()):
        _post(site, "/aets/inbox/studies", body, PAYLOAD)
    _post(site, f"/aets/inbox/studies/{NAME}", payload(files), PAYLOAD)
    _post(site, "/aets/inbox/studies", files[0], f"{PATIENT_ID}/{PATIENT_ID}; boundary={BOUNDARY}")
    for origin in ("inbox", "marked", "failing", "web", "blab", "bucket"):
        _post(site, f"/aets/{origin}/studies", payload(files), PAYLOAD)
    _post(site, "/dicomweb/studies", payload(files), PAYLOAD)


def _post(site: _Site, path: str, body: bytes, content_type: str) -> None:
    with suppress(httpx2.RemoteProtocolError):
        site.http.post(path, content=body, headers={**BAGGAGE, "Content-Type": content_type})


def _dimse(site: _Site) -> None:
    """C-ECHO, C-STORE, C-FIND, C-GET and C-MOVE of DIMSE clients, at each origin and at all as one."""
    for called, files in (
        *((called, site.held) for called in ("FAULTY", "FAILING", "WEB", "BLAB", "ALL")),
        ("BUCKET", site.listed),
        ("INBOX", site.pushed),
    ):
        face = site.called(called)
        storescu(face, [*site.pushed, *site.broken])
        keys = {"PatientName": NAME, "PatientID": PATIENT_ID, "AccessionNumber": ACCESSION}
        found = None
        with suppress(AssertionError):  # failures are among what is wanted
            found = findscu(face, {"QueryRetrieveLevel": "STUDY", "PatientBirthDate": BIRTH_DATE, **keys})
        wanted = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": identity(files[0]).study_instance_uid}
        folder = site.folder / f"got-{called}"
        folder.mkdir()
        got = getscu(face, folder, wanted)
        moved = movescu(face, "STORESCP", wanted)
        if called in GIVE:
            assert len([*folder.iterdir()]) == len(files), got.log
        if called in GIVE - {"ALL"}:  # as one they fail, as long as one of them does
            assert found
            assert moved.code == 0, moved.log
    face, nonsense = site.called("FAULTY"), {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": PATIENT_ID}
    echoscu(face)
    with suppress(AssertionError):
        findscu(face, {**nonsense, "StudyDate": BIRTH_DATE})
    getscu(face, site.folder, nonsense)
    movescu(face, PATIENT_ID, nonsense)


def _worklist(site: _Site) -> None:
    """C-FIND of the worklist."""
    entity = AE("CT1")
    entity.add_requested_context("1.2.840.10008.5.1.4.31")
    association = entity.associate(site.scp.host, site.scp.port, ae_title="WORKLIST")
    assert association.is_established
    keys, item = Dataset(), Dataset()
    item.Modality = "CT"
    keys.PatientName, keys.PatientID, keys.AccessionNumber = "Zwetschge*", PATIENT_ID, ""
    keys.ScheduledProcedureStepSequence = [item]
    found = [found for _, found in association.send_c_find(keys, "1.2.840.10008.5.1.4.31") if found]
    association.release()
    assert [str(one.PatientName) for one in found] == [NAME]


def _commit(site: _Site) -> None:
    """Storage Commitment of what is there, of what is not, and of what is no UID."""
    modality = Modality()
    for called in ("INBOX", "FAULTY"):
        with modality.associated(site.scp.port, called) as association:
            instances = [(CT, identity(file).sop_instance_uid) for file in site.pushed]
            ask(association, action_information(pydicom.uid.generate_uid(), *instances, (CT, "1.2.3")))
            with disable_value_validation():
                ask(association, action_information(PATIENT_ID, (NAME, PATIENT_ID)))
            modality.here.get(timeout=PATIENCE)


def _delete(site: _Site) -> None:
    """DELETE in the inbox, and elsewhere."""
    for path in (INSTANCE, STUDY, SERIES):
        of_one = _of(site.pushed[0], path)
        answer = site.http.delete(f"/aets/inbox{of_one}", headers=BAGGAGE)
        assert answer.status_code == (404 if path == SERIES else 204)  # that went with its study
        site.http.delete(f"/aets/marked{of_one}", headers=BAGGAGE)
    site.http.delete(f"/aets/inbox/studies/{PATIENT_ID}", headers=BAGGAGE)


def _of(file: Path, path: str) -> str:
    """Give a resource of an instance, where routes write its names in braces."""
    who = identity(file)
    return (
        path.replace("{path:path}", "7FE00010")
        .replace("{study}", who.study_instance_uid)
        .replace("{series}", who.series_instance_uid)
        .replace("{instance}", who.sop_instance_uid)
        .replace("{frames}", "1")
    )


_PATHS: Final[Iterable[Callable[[_Site], None]]] = (
    _worklist,
    _store,
    _commit,
    _search,
    _retrieve,
    _dimse,
    _delete,
)


def _said(system: Gateway) -> Iterable[tuple[str, str]]:
    """Give what commands and /metrics say."""
    for command in (("dead",), ("webhooks",), ("cache", "--studies"), ("status",)):
        ended = system.isthmus(*command)
        yield " ".join(("isthmus", *command)), ended.stdout + ended.stderr
    for process in system.run_file.processes:
        if process.address is not None:
            text = httpx2.get(f"http://{process.address}/metrics", trust_env=False).text
            yield f"{process.name} {process.replica} /metrics", text
