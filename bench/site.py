"""Where it is measured: Orthanc as the PACS, the whole system before it, and the studies that it holds."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from minio import Minio
from minio.deleteobjects import DeleteObject
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEGLSLossless

from bench import contestants
from bench.data import Study, ct_study
from bench.frames import ct_frames
from bench.meter import Meter
from bench.options import Options
from bench.processes import cpu_seconds, variable
from isthmus.common.blobs.keys import derived_prefix, held_prefix, manifest_key
from tests.peers import Orthanc, Peer, Storescp, dcmtk, free_port
from tests.system.gateway import Gateway

ORIGIN: Final = "orthanc"
COUNTED: Final = "counted"
"""The same PACS, behind a meter."""
ARCHIVE: Final = "archive"
"""Another PACS, empty at first, which takes what is stored."""
QUICK_ARCHIVE: Final = "quick-archive"
"""One more, with TCP_NODELAY=1: as Debian ships it, it makes its clients wait too, whatever they do."""
WEB: Final = "web"
"""The same PACS by its DICOMweb only."""
COUNTED_WEB: Final = "counted-web"
"""The same, behind a meter."""
INBOX: Final = "inbox"
"""What is pushed, and announced soon after the last of it."""
QUIET_SECONDS: Final = 3.0
TIMED: Final = "TIMED"
"""A destination of C-MOVE for whom it is noted what has been sent."""
STUDIES: Final = "IMPLANTED-900*"
"""The Patient IDs of those who have one of the many studies each."""
ASSOCIATIONS: Final = 4
_FIRST_OF_STUDIES: Final = 900_000
_SMALL: Final = 16
_LOADERS: Final = 4


class Site:
    """Everything runs while it is entered; studies are made, and loaded into the PACS, at first use.

    Attributes:
        options: what is measured.
        directory: for files of the run's own.
        orthanc: the PACS.
        archive: another one, for what is stored.
        quick_archive: one more, whose sockets do not wait.
        meter: counts what the PACS sends to the origin `counted`.
        web_meter: counts what it sends to the origin `counted-web`.
        storescp: a destination of C-MOVE.
        timed_port: where another one may listen.
        gateway: the system.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self._stack = ExitStack()
        self._studies: dict[str, Study] = {}

    def __enter__(self) -> Self:
        with self._stack:
            enter = self._stack.enter_context
            self.directory = Path(enter(tempfile.TemporaryDirectory(prefix="isthmus-bench-")))
            self.orthanc = enter(Orthanc(self.directory / "pacs", dicom_port=self.options.pacs_port))
            self.archive = enter(Orthanc(self.directory / "archive", ae_title="ARCHIVE"))
            self.quick_archive = enter(
                Orthanc(self.directory / "quick", ae_title="QUICK", environment=dcmtk.ENVIRONMENT)
            )
            self.meter = enter(Meter(self.orthanc.peer))
            self.web_meter = enter(Meter(Peer("", self.orthanc.host, self.orthanc.http_port)))
            self.storescp = enter(Storescp(self.directory / "storescp"))
            self.timed_port = free_port()
            self.gateway = enter(self.system("system"))
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @contextmanager
    def system(self, name: str, variables: Mapping[str, str] | None = None) -> Iterator[Gateway]:
        """Run a system of its own in front of the same PACS; `variables` are other settings."""
        directory = self.directory / name
        directory.mkdir()
        origins = {
            ORIGIN: self.orthanc.peer,
            COUNTED: self.meter.peer,
            ARCHIVE: self.archive.peer,
            QUICK_ARCHIVE: self.quick_archive.peer,
        }
        web = {WEB: self.orthanc.http_port, COUNTED_WEB: self.web_meter.peer.port}
        destinations = [self.storescp.peer, Peer(TIMED, self.orthanc.host, self.timed_port)]
        with Gateway(directory, _settings(origins, web, destinations), variables=variables) as gateway:
            yield gateway

    @property
    def study(self) -> Study:
        """The study that most measures are about."""
        return self._series("study", 0, self.options.instances, self.options.pixels)

    @property
    def small_study(self) -> Study:
        """A study of few images of the same size."""
        return self._series("small study", 1, self.options.few, self.options.pixels)

    @property
    def searched_study(self) -> Study:
        """A study of as many small images as the large search has matches."""
        return self._series("searched study", 2, self.options.matches, _SMALL)

    @property
    def large_study(self) -> Study:
        """A study of very many small images."""
        return self._series("large study", 3, self.options.many, _SMALL)

    @property
    def frames(self) -> Study:
        """A study of one instance of many frames."""
        return self._frames("frames", 5, ExplicitVRLittleEndian)

    @property
    def compressed_frames(self) -> Study:
        """The same in JPEG-LS."""
        return self._frames("compressed frames", 6, JPEGLSLossless)

    def _frames(self, name: str, seed: int, transfer_syntax: UID) -> Study:
        number, rows = self.options.frames, self.options.pixels
        return self.study_of(
            name,
            lambda directory: ct_frames(
                directory, number, seed=seed, rows=rows, transfer_syntax=transfer_syntax
            ),
        )

    def _series(self, name: str, seed: int, instances: int, rows: int) -> Study:
        return self.study_of(
            name, lambda directory: ct_study(directory / f"study-{seed}", instances, seed=seed, rows=rows)
        )

    def study_of(self, name: str, make: Callable[[Path], Study]) -> Study:
        """Give a study that the PACS holds; it is made when it is first asked for.

        Args:
            name: What it is called here.
            make: Makes its files in a directory.
        """
        if name not in self._studies:
            study = make(self.directory)
            self._load(study.files)
            self._studies[name] = study
        return self._studies[name]

    def _load(self, files: Sequence[Path]) -> None:
        with ThreadPoolExecutor(_LOADERS) as executor:
            list(executor.map(self.orthanc.load, [files[first::_LOADERS] for first in range(_LOADERS)]))

    def load_studies(self) -> None:
        """See that the PACS holds as many studies of one image as the large search has matches."""
        first = _FIRST_OF_STUDIES
        directory = self.directory / "studies"
        if not directory.exists():
            numbers = range(first, first + self.options.matches)
            self._load([ct_study(directory, 1, seed=number, rows=_SMALL).files[0] for number in numbers])

    def called(self, origin: str) -> Peer:
        """Where legacy clients reach an origin that is no PACS."""
        return self.gateway.scp._replace(ae_title=origin.upper())

    def url(self, origin: str = ORIGIN) -> str:
        """The DICOMweb base URL of an origin, through the gateway."""
        return f"{self.gateway.url}/aets/{origin}"

    def wado_url(self, origin: str = ORIGIN) -> str:
        """The same at wado's own port."""
        listen = variable(self.gateway.pids["wado"][0], "ISTHMUS_HTTP__LISTEN")
        return f"http://{listen}/aets/{origin}"

    @property
    def orthanc_url(self) -> str:
        """The base URL of the PACS's own DICOMweb."""
        return f"{self.orthanc.url}/dicom-web"

    def held_keys(self, study: Study, origin: str = ORIGIN) -> Sequence[str]:
        """The S3 keys of what is held of a study."""
        return self._keys(held_prefix(origin, study.uid))

    def _keys(self, prefix: str) -> Sequence[str]:
        s3 = self.gateway.run_file.s3
        found = self._minio().list_objects(s3.bucket, prefix, recursive=True)
        return [entry.object_name for entry in found if entry.object_name]

    def clear(self, study: Study, origin: str = ORIGIN) -> None:
        """Forget what is held of a study: the manifest first, so that nothing names what is gone.

        Raises:
            ContestantFailed: S3 keeps some of it.
        """
        self._minio().remove_object(self.gateway.run_file.s3.bucket, manifest_key(origin, study.uid))
        self._remove(held_prefix(origin, study.uid))
        self.clear_derived(study, origin)

    def clear_derived(self, study: Study, origin: str = ORIGIN) -> None:
        """Forget what was made of a study; who has it in memory still has it.

        Raises:
            ContestantFailed: S3 keeps some of it.
        """
        self._remove(derived_prefix(origin, study.uid))

    def _remove(self, prefix: str) -> None:
        doomed = [DeleteObject(key) for key in self._keys(prefix)]
        for error in self._minio().remove_objects(self.gateway.run_file.s3.bucket, doomed):
            raise contestants.ContestantFailed(f"S3 cannot be cleared: {error.code}")

    def _minio(self) -> Minio:
        s3 = self.gateway.run_file.s3
        return Minio(s3.endpoint, s3.access_key, s3.secret_key, secure=False, region="us-east-1")

    @contextmanager
    def profile(self, used: dict[str, float]) -> Iterator[None]:
        """Add up the processor time that each service uses in the block."""
        before = cpu_seconds(self.gateway.pids)
        yield
        for name, seconds in cpu_seconds(self.gateway.pids).items():
            used[name] = used.get(name, 0) + seconds - before.get(name, 0)


def profile_note(used: Mapping[str, float], rounds: int) -> str:
    """Write where the processor time went, for one round."""
    largest = sorted(used.items(), key=lambda entry: -entry[1])
    return ", ".join(
        f"{name} {seconds / rounds:.2f}" for name, seconds in largest if seconds / rounds >= 0.01
    )


def _settings(origins: Mapping[str, Peer], web: Mapping[str, int], destinations: Sequence[Peer]) -> str:
    """Write the settings of PACS, of DICOMweb servers by their ports, of an inbox, and of destinations."""
    lines = []
    for name, peer in origins.items():
        lines += [
            "[[origins]]",
            f'name = "{name}"',
            *_reach(peer),
            'retrieve = ["c-get"]',
            f"associations = {ASSOCIATIONS}",
        ]
    for name, port in web.items():
        lines += [
            "[[origins]]",
            f'name = "{name}"',
            'protocol = "dicomweb"',
            f'ae_title = "{name.upper()}"',
            f'url = "http://127.0.0.1:{port}/dicom-web"',
        ]
    lines += [
        "[[origins]]",
        f'name = "{INBOX}"',
        'protocol = "inbox"',
        f'ae_title = "{INBOX.upper()}"',
        f"quiet_seconds = {QUIET_SECONDS}",
    ]
    for peer in destinations:
        lines += ["[[scp.destinations]]", *_reach(peer)]
    return "\n".join(lines)


def _reach(peer: Peer) -> Sequence[str]:
    return f'ae_title = "{peer.ae_title}"', f'host = "{peer.host}"', f"port = {peer.port}"
