"""Each flow of the architecture once, through a running system, as clients on both sides see it."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Final

import httpx2
from pydicom import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE

from tests.composed.stack import LOOPBACK
from tests.composed.system import ComposedSystem
from tests.data_sets import identity, raw_datasets
from tests.measured import total
from tests.pacs import FaultyPacs
from tests.peers import (
    Dcmqrscp,
    Orthanc,
    Peer,
    Storescp,
    echoscu,
    eventually,
    findscu,
    getscu,
    movescu,
    storescu,
)
from tests.peers.worklist import Wlmscpfs
from tests.scp.modality import CT, MODALITY, Modality, action_information, ask, committed
from tests.system.blabbing import Blabbing
from tests.system.multipart import PAYLOAD, payload, retrieve
from tests.waiting import PATIENCE

PACS: Final = "pacs"
"""An origin that is asked by C-GET."""
MOVER: Final = "mover"
"""The same PACS, asked by C-MOVE."""
WEB: Final = "web"
"""The same PACS by DICOMweb."""
BUCKET: Final = "bucket"
INBOX: Final = "inbox"
WORKLIST: Final = "1.2.840.10008.5.1.4.31"
"""Modality Worklist Information Model - FIND."""
SCRATCH: Final = "scratch"
"""An inbox from where nothing goes on."""


@dataclass(frozen=True)
class Studies:
    """Files of a study each, for what is done with them."""

    retrieved: list[Path]
    """At the PACS, to be had by HTTP and C-GET."""
    moved: list[Path]
    """At the PACS, to be had by C-MOVE."""
    bridged: list[Path]
    """At the PACS, for DIMSE clients: by DICOMweb."""
    stored: list[Path]
    """Not yet at the PACS."""
    pushed: list[Path]
    """For the inbox, from where they go on to the PACS."""
    listed: list[Path]
    """In the bucket."""
    broken_off: list[Path]
    """At a PACS that does not send them."""
    uploaded: list[Path]
    """For the PACS by DICOMweb, of an HTTP client."""
    sent: list[Path]
    """For it likewise, and for the bucket, of a DIMSE client."""
    committed: list[Path]
    """For an inbox that is asked whether it has them, and to delete them."""


@dataclass(frozen=True)
class Site:
    """A system, and who is around it."""

    system: ComposedSystem
    pacs: Orthanc
    mover: Dcmqrscp
    faulty: FaultyPacs
    workstation: Storescp
    worklist: Wlmscpfs
    receiver: Blabbing
    """Of the webhook."""
    studies: Studies
    folder: Path
    """For what clients get."""

    @cached_property
    def http(self) -> httpx2.Client:
        """A client of the gateway, who may do everything; there when the system has its secrets."""
        headers = {"Authorization": f"Bearer {self.system.secret('qido', 'operator_key')}"}
        trusted = self.system.authority()
        return httpx2.Client(
            base_url=self.system.url, headers=headers, verify=trusted, timeout=PATIENCE, trust_env=False
        )

    def called(self, ae_title: str) -> Peer:
        """The DIMSE face by the name of an origin."""
        return Peer(ae_title, LOOPBACK, self.system.scp_port)

    def get(self, path: str, accept: str = "*/*", **query: str) -> httpx2.Response:
        """Ask the gateway; whatever is not a success fails."""
        answer = self.http.get(path, params=query, headers={"Accept": accept, **traced()})
        answer.raise_for_status()
        return answer

    def retrieve(self, origin: str, files: list[Path]) -> None:
        """Have a study by WADO-RS, whole and byte for byte."""
        found, is_whole = retrieve(self.http, origin, study_of(files))
        assert is_whole
        assert found == raw_datasets([file.read_bytes() for file in files])

    def held(self) -> float:
        """Say how often an answer was made of what was there already, of the PACS."""
        names = {"isthmus_result": "hit", "dicom_origin": PACS}
        return total("isthmus_cache_requests_total", self.system.metrics(), **names)

    def has(self, origin: str, files: list[Path]) -> bool:
        """Tell whether an origin has all of them."""
        return self.count(origin, files) == len(files)

    def count(self, origin: str, files: list[Path]) -> int:
        """Say how many instances of the files' study an origin has."""
        found = self.get(f"/aets/{origin}/studies/{study_of(files)}/instances")
        return len(found.json()) if found.content else 0


def traced() -> Mapping[str, str]:
    """Give the headers of a client that traces its own requests."""
    return {"traceparent": f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"}


def study_of(files: list[Path]) -> str:
    """Give the Study Instance UID of files that share it."""
    (study,) = {identity(file).study_instance_uid for file in files}
    return study


def step() -> Dataset:
    """Give a scheduled procedure step, as the worklist has it."""
    step, item = Dataset(), Dataset()
    step.PatientName, step.PatientID, step.AccessionNumber = "Doe^Jane", "7", "A7"
    step.StudyInstanceUID, step.RequestedProcedureID = generate_uid(), "1"
    item.ScheduledStationAETitle, item.Modality = "CT1", "CT"
    item.ScheduledProcedureStepStartDate, item.ScheduledProcedureStepStartTime = "20240229", "101500"
    item.ScheduledProcedureStepID = "1"
    step.ScheduledProcedureStepSequence = [item]
    return step


def search(site: Site) -> None:
    """QIDO-RS: by C-FIND, by DICOMweb, in the bucket, and over all of them as one."""
    for origin in (PACS, WEB):
        study = study_of(site.studies.retrieved)
        (one,) = site.get(f"/aets/{origin}/studies", StudyInstanceUID=study).json()
        assert one["0020000D"]["Value"] == [study]
    assert eventually(lambda: len(site.get(f"/aets/{BUCKET}/studies").json()) == 1)
    found = {one["0020000D"]["Value"][0] for one in site.get("/dicomweb/studies").json()}
    of_each = (site.studies.retrieved, site.studies.moved, site.studies.listed)
    assert found >= {study_of(files) for files in of_each}


def retrieve_by_http(site: Site) -> None:
    """WADO-RS: by C-GET, by C-MOVE, by DICOMweb, from the bucket; held then; pictures and metadata of it."""
    wanted = {
        PACS: site.studies.retrieved,
        MOVER: site.studies.moved,
        WEB: site.studies.retrieved,
        BUCKET: site.studies.listed,
    }
    for origin, files in wanted.items():
        site.retrieve(origin, files)
    held = site.held()
    site.retrieve(PACS, site.studies.retrieved)
    assert site.held() == held + 1
    first = identity(site.studies.retrieved[0])
    series = f"/aets/{PACS}/studies/{first.study_instance_uid}/series/{first.series_instance_uid}"
    assert len(site.get(f"{series}/metadata").json()) == len(site.studies.retrieved)
    instance = f"{series}/instances/{first.sop_instance_uid}"
    assert site.get(f"{instance}/rendered", "image/png").content.startswith(b"\x89PNG")
    site.get(f"{instance}/frames/1", "multipart/related; type=application/octet-stream")
    site.get(
        f"/aets/{PACS}/wado",
        requestType="WADO",
        studyUID=first.study_instance_uid,
        seriesUID=first.series_instance_uid,
        objectUID=first.sop_instance_uid,
        contentType="application/dicom",
    )


def store_by_http(site: Site) -> None:
    """STOW-RS: into the PACS by C-STORE, and by DICOMweb."""
    for origin, files in ((PACS, site.studies.stored), (WEB, site.studies.uploaded)):
        content = payload([file.read_bytes() for file in files])
        answer = site.http.post(
            f"/aets/{origin}/studies", content=content, headers={"Content-Type": PAYLOAD, **traced()}
        )
        assert answer.status_code == 200, answer.text
        assert site.has(PACS, files)


def receive(site: Site) -> None:
    """C-STORE into the inbox: the study arrives, the webhook is told of it, and it goes on to the PACS."""
    outcome = storescu(site.called("INBOX"), site.studies.pushed, calling="CT1")
    assert outcome.code == 0, outcome.log
    pushed = site.studies.pushed
    assert eventually(lambda: site.has(PACS, pushed))
    assert eventually(lambda: bool(site.receiver.headers))
    site.retrieve(INBOX, pushed)


def commit_and_delete(site: Site) -> None:
    """Storage Commitment of what a modality has sent; then DELETE of it."""
    files = site.studies.committed
    face, instances = site.called("SCRATCH"), [identity(file).sop_instance_uid for file in files]
    outcome = storescu(face, files, calling=MODALITY)
    assert outcome.code == 0, outcome.log
    modality = Modality()
    with modality.associated(face.port, face.ae_title) as association:
        wanted = action_information(generate_uid(), *((CT, instance) for instance in instances))
        assert ask(association, wanted).Status == 0
        assert committed(modality.here.get(timeout=PATIENCE)) == {*instances}
    assert site.http.delete(f"/aets/{SCRATCH}/studies/{study_of(files)}", headers=traced()).is_success
    assert site.count(SCRATCH, files) == 0


def search_the_worklist(site: Site) -> None:
    """C-FIND of a modality, which the worklist of the PACS answers."""
    modality = AE("CT1")
    modality.add_requested_context(WORKLIST)
    face = site.called("WORKLIST")
    association = modality.associate(face.host, face.port, ae_title=face.ae_title)
    assert association.is_established
    keys = Dataset()
    keys.PatientID = keys.AccessionNumber = ""
    found = [step for _, step in association.send_c_find(keys, WORKLIST) if step]
    association.release()
    assert len(found) == 1


def store_of_dimse_clients(site: Site) -> None:
    """The inverse: C-STORE of a DIMSE client into a DICOMweb server, and into the bucket."""
    for called, origin in (("WEB", WEB), ("BUCKET", BUCKET)):
        outcome = storescu(site.called(called), site.studies.sent, calling=MODALITY)
        assert outcome.code == 0, outcome.log
        # In the bucket they are safe then; it is listed a moment later.
        assert eventually(partial(site.has, origin, site.studies.sent))
        site.retrieve(origin, site.studies.sent)


def serve_dimse_clients(site: Site) -> None:
    """The inverse: C-ECHO, C-FIND, C-GET and C-MOVE of DIMSE clients, before a DICOMweb server and a PACS."""
    study = study_of(site.studies.bridged)
    wanted = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": study}
    for called in ("WEB", "ORTHANC"):
        face = site.called(called)
        assert echoscu(face, calling="WORKSTATION").code == 0
        (found,) = findscu(face, wanted, calling="WORKSTATION")
        assert found.StudyInstanceUID == study
        folder = site.folder / called
        folder.mkdir()
        outcome = getscu(face, folder, wanted, calling="WORKSTATION")
        assert outcome.code == 0, outcome.log
        assert len([*folder.iterdir()]) == len(site.studies.bridged)
    outcome = movescu(site.called("WEB"), site.workstation.peer.ae_title, wanted, calling="WORKSTATION")
    assert outcome.code == 0, outcome.log
    assert eventually(lambda: len(site.workstation.files()) == len(site.studies.bridged))


def echo(site: Site) -> None:
    """Whether each origin answers, measured now."""
    for origin in (PACS, MOVER, WEB, BUCKET, INBOX, SCRATCH):
        assert site.get(f"/aets/{origin}").json()["ok"] is True


FLOWS: Final = (
    search,
    retrieve_by_http,
    store_by_http,
    receive,
    commit_and_delete,
    search_the_worklist,
    store_of_dimse_clients,
    serve_dimse_clients,
    echo,
)
"""In this order: what is held from one is not asked for again in the next."""
