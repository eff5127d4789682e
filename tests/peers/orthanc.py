"""Orthanc as the PACS: a real one that nobody here wrote, from Debian."""

import http.client
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Final, Self, TypedDict

from tests.data_sets import Identity, Listing, listing
from tests.peers.process import LOOPBACK, Peer, Process, free_port
from tests.waiting import PATIENCE

DICOMWEB_PLUGIN: Final = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so"
ASSOCIATIONS: Final = 32


class _Entry(TypedDict):
    """What we read of an entry of Orthanc's expanded REST listings."""

    ID: str
    ParentPatient: str
    ParentStudy: str
    ParentSeries: str
    MainDicomTags: dict[str, str]


class OrthancError(RuntimeError):
    """Orthanc's REST API answered with a failure."""

    def __init__(self, method: str, path: str, status: int) -> None:
        super().__init__(f"{method} {path}: {status}")
        self.status = status


class Orthanc:
    """An Orthanc of its own storage on free ports; a context manager.

    It has no setting for the address and listens on all of them; its HTTP server answers loopback only.
    """

    def __init__(
        self,
        directory: Path,
        *,
        ae_title: str = "ORTHANC",
        destinations: Iterable[Peer] = (),
        dicom_port: int | None = None,
        encoding: str = "Latin1",
        environment: Mapping[str, str] = MappingProxyType({}),
        tls: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        """Start it, and wait until it answers.

        Args:
            directory: takes its settings, its storage and its log.
            ae_title: its own.
            destinations: where C-MOVE may send; more by `add_destination`.
            dicom_port: where its DICOM server listens; any free port by default.
            encoding: of its answers to C-FIND, by Orthanc's name; what it cannot hold is dropped from them.
            environment: added to ours.
            tls: more settings, by Orthanc's names: of DICOM TLS.
        """
        self.ae_title = ae_title
        self.host = LOOPBACK
        self.dicom_port = dicom_port or free_port()
        self.http_port = free_port()
        self.url = f"http://{self.host}:{self.http_port}"
        directory.mkdir(parents=True, exist_ok=True)
        settings = directory / "orthanc.json"
        written = {**self._settings(directory, destinations, encoding), **tls}
        settings.write_text(json.dumps(written, indent=2))
        program = shutil.which("Orthanc") or "/usr/sbin/Orthanc"
        self._process = Process(
            [program, str(settings)], log=directory / "orthanc.log", environment=environment
        )
        self._process.wait_until(self._answers)

    @property
    def peer(self) -> Peer:
        """Where its DICOM server is."""
        return Peer(self.ae_title, self.host, self.dicom_port)

    def _settings(self, directory: Path, destinations: Iterable[Peer], encoding: str) -> dict[str, object]:
        return {
            "Name": self.ae_title,
            "StorageDirectory": str(directory / "storage"),
            "IndexDirectory": str(directory / "storage"),
            "SyncStorageArea": False,
            "Plugins": [DICOMWEB_PLUGIN],
            "HttpPort": self.http_port,
            "DefaultEncoding": encoding,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "WebDavEnabled": False,
            "DicomAet": self.ae_title,
            "DicomPort": self.dicom_port,
            "DicomThreadsCount": ASSOCIATIONS,
            "DicomAlwaysAllowEcho": True,
            "DicomAlwaysAllowFind": True,
            "DicomAlwaysAllowGet": True,
            "DicomAlwaysAllowMove": True,
            "DicomAlwaysAllowStore": True,
            "DicomModalities": {peer.ae_title: list(peer) for peer in destinations},
            "AcceptedTransferSyntaxes": ["*"],
            "UnknownSopClassAccepted": True,
            "MaximumPduLength": 131072,
            "ConcurrentJobs": ASSOCIATIONS,
            "SaveJobs": False,
            "OverwriteInstances": False,
            "StableAge": 1,
            "LimitFindResults": 0,
            "LimitFindInstances": 0,
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "EnableWado": False},
        }

    def _answers(self) -> bool:
        try:
            self._request("GET", "/system")
        except (OSError, http.client.HTTPException):
            return False
        return True

    def _request(self, method: str, path: str, body: bytes | None = None) -> bytes:
        connection = http.client.HTTPConnection(self.host, self.http_port, timeout=PATIENCE)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status != http.HTTPStatus.OK:
            raise OrthancError(method, path, answer.status)
        return content

    def add_destination(self, peer: Peer) -> None:
        """Let C-MOVE send to this peer too."""
        settings = {"AET": peer.ae_title, "Host": peer.host, "Port": peer.port}
        self._request("PUT", f"/modalities/{peer.ae_title}", json.dumps(settings).encode())

    def load(self, files: Iterable[Path]) -> list[Path]:
        """Give it these files, in this order.

        Of several files with the same UIDs it keeps the first, so they go one after the other: what it holds
        then is the same each time.

        Returns:
            Those that it now holds, in the same order.
        """
        accepted = []
        for file in files:
            try:
                answer = json.loads(self._request("POST", "/instances", file.read_bytes()))
            except OrthancError as refusal:
                # 400 for what is not DICOM, 404 for a data set without UIDs.
                if refusal.status not in (http.HTTPStatus.BAD_REQUEST, http.HTTPStatus.NOT_FOUND):
                    raise
                continue
            if answer["Status"] == "Success":
                accepted.append(file)
        return accepted

    def held(self) -> dict[str, Identity]:
        """Every instance that it holds, by its own REST listing; the keys are Orthanc's identifiers."""
        tags = {
            entry["ID"]: entry["MainDicomTags"]
            for level in ("patients", "studies", "series")
            for entry in self._expanded(level)
        }
        patient_of = {entry["ID"]: entry["ParentPatient"] for entry in self._expanded("studies")}
        study_of = {entry["ID"]: entry["ParentStudy"] for entry in self._expanded("series")}
        held = {}
        for entry in self._expanded("instances"):
            series = entry["ParentSeries"]
            study = study_of[series]
            held[entry["ID"]] = Identity(
                tags[patient_of[study]].get("PatientID", ""),
                tags[study]["StudyInstanceUID"],
                tags[series]["SeriesInstanceUID"],
                entry["MainDicomTags"]["SOPInstanceUID"],
            )
        return held

    def listing(self) -> Listing:
        """What it holds, by study and series: what every search over all of it has to find."""
        return listing(self.held().values())

    def file(self, identifier: str) -> bytes:
        """The Part 10 file of an instance, as it is in the storage.

        Args:
            identifier: Orthanc's own, a key of `held`.
        """
        return self._request("GET", f"/instances/{identifier}/file")

    def delete_all(self) -> None:
        """Forget all patients."""
        for patient in json.loads(self._request("GET", "/patients")):
            self._request("DELETE", f"/patients/{patient}")

    def stop(self) -> None:
        """End it, and wait until it has ended."""
        self._process.stop()

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._process.kill()

    def _expanded(self, level: str) -> list[_Entry]:
        entries: list[_Entry] = json.loads(self._request("GET", f"/{level}?expand"))
        return entries

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()  # it takes 3 s to end, and what it holds is of no use any more
