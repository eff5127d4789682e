"""`DATA/run.json`: where everything of a running `isthmus up` is; and the lock that says that it runs."""

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from isthmus.cli.private_file import write_private
from isthmus.common.config.files import secret_in
from isthmus.common.config.settings import S3, Nats
from isthmus.common.errors import IsthmusError

ELSEWHERE: Final = "system.json"
"""The same, of a system that others run: containers."""


class NotRunning(IsthmusError):
    """No `isthmus up` uses this data folder."""

    title = "Nothing runs"


class Undescribed(NotRunning):
    """A file says that others run the system, and not as it must how it is reached."""


class InUse(IsthmusError):
    """Another `isthmus up` uses this data folder."""

    title = "The data folder is in use"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class NatsPart(_Part):
    """How to reach the bus."""

    url: str
    user: str
    password: str = ""
    password_file: Path | None = Field(default=None, exclude=True)
    """A file that holds it, of a system that others run."""
    ca_file: Path | None = None
    """By which its certificate is verified, where the usual ones do not do."""
    certificate_file: Path | None = None
    """Ours, where it wants to know us, with `key_file`."""
    key_file: Path | None = None
    """The key of that."""

    @property
    def settings(self) -> Nats:
        """The same, as settings name it."""
        return Nats(
            url=self.url,
            user=self.user,
            password=self.password,
            ca_file=self.ca_file,
            certificate_file=self.certificate_file,
            key_file=self.key_file,
        )

    @model_validator(mode="after")
    def _can_be_used(self) -> Self:
        _ = self.settings
        return self


class S3Part(_Part):
    """How to reach the blobs."""

    endpoint: str
    bucket: str
    access_key: str = ""
    access_key_file: Path | None = Field(default=None, exclude=True)
    """A file that holds it, of a system that others run."""
    secret_key: str = ""
    secret_key_file: Path | None = Field(default=None, exclude=True)
    """Likewise."""
    ca_file: Path | None = None
    """By which its certificate is verified, where the usual ones do not do."""

    @property
    def settings(self) -> S3:
        """The same, as settings name it."""
        return S3(
            endpoint=self.endpoint,
            bucket=self.bucket,
            access_key=self.access_key,
            secret_key=self.secret_key,
            ca_file=self.ca_file,
        )

    @model_validator(mode="after")
    def _can_be_used(self) -> Self:
        _ = self.settings
        return self


class ScpPart(_Part):
    """How to reach the DIMSE face."""

    ae_title: str
    host: str
    port: int
    """In clear; where it listens with TLS alone, that."""
    tls_port: int | None = None
    """With TLS; None: nowhere."""


class CachePart(_Part):
    """What may be held in S3."""

    max_bytes: int


class ProcessPart(_Part):
    """A program that is to run, whether it does or not."""

    name: str
    replica: int = 0
    """Which of several it is, from 1; 0: the only one."""
    pid: int | None = None
    """None while it has ended, and is to be started again."""
    since: float | None = None
    """When it was started last: seconds since 1970."""
    restarts: int = 0
    ended: str | None = None
    """How it ended the last time; None if it never has."""
    address: str | None = None
    """Where a service has `/readyz` and `/metrics`: host and port."""


class OriginPart(_Part):
    """An origin of the settings, or the demo PACS."""

    name: str
    protocol: str


class RunFile(_Part):
    """The whole file; it holds secrets, so only its owner can read it."""

    gateway: str
    nats: NatsPart
    s3: S3Part
    scp: ScpPart
    cache: CachePart
    services: Mapping[str, list[int]]
    processes: Sequence[ProcessPart] = ()
    """The same, of each what its keeper knows."""
    origins: Sequence[OriginPart] = ()
    key: str = ""
    """What the commands show the faces, which then let them do everything."""
    metrics_key: str = ""
    """What they show for the numbers of services beyond loopback: not all of these know the other."""
    link_key: str = ""
    """By which links to studies are signed."""
    signing_key: str = ""
    """By which services know each other's decisions on the bus; commands replay dead letters with it."""
    clients: str = ""
    """Where clients on other machines reach the gateway."""
    certificate: Path | None = None
    """The gateway's own, where it speaks TLS."""

    def write(self, data: Path) -> None:
        """Write it into the data folder, all of it at once."""
        write_private(_path(data), self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read(cls, data: Path) -> "RunFile":
        """Read what runs: here, or, where a file says so, elsewhere.

        Raises:
            NotRunning: nothing does, or not yet.
            Undescribed: the file cannot be used.
        """
        try:
            return _beside(data, cls.model_validate_json((data / ELSEWHERE).read_bytes()))
        except FileNotFoundError:
            pass
        except OSError as error:
            raise Undescribed(f"{data / ELSEWHERE} cannot be read: {error.strerror}") from None
        except ValidationError as error:
            raise Undescribed(f"{data / ELSEWHERE} cannot be used: {_what_is_wrong(error)}") from None
        except ValueError as error:
            raise Undescribed(f"{data / ELSEWHERE} cannot be used: {error}") from None
        if _is_locked(data):
            try:
                return cls.model_validate_json(_path(data).read_bytes())
            except (OSError, ValidationError):
                raise NotRunning(f"isthmus up is not ready yet with the data folder {data}") from None
        raise NotRunning(
            f"no isthmus up runs with the data folder {data}; start it, or name another by --data"
        )


def is_elsewhere(data: Path) -> bool:
    """Tell whether a data folder is but that of the commands, and others run the system."""
    return (data / ELSEWHERE).exists()


@contextmanager
def hold(data: Path) -> Iterator[None]:
    """Make the data folder ours until the end; the run file of who was killed before, or ours, is removed.

    Raises:
        InUse: another process holds it.
    """
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(_lock(data), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InUse(f"another isthmus up runs with the data folder {data}") from None
        _path(data).unlink(missing_ok=True)
        try:
            yield
        finally:
            _path(data).unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _beside(data: Path, run: RunFile) -> RunFile:
    """Have the files that it names lie beside it, but for those named from the root on; read the secrets.

    Raises:
        ValueError: a secret cannot be read; says which, and why.
    """

    def beside(path: Path | None) -> Path | None:
        return None if path is None else data / path

    def held(key: str, said: str, path: Path | None) -> str:
        try:
            return said if path is None else secret_in(data / path)
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from None

    nats, s3 = run.nats, run.s3
    return run.model_copy(
        update={
            "nats": nats.model_copy(
                update={
                    "password": held("nats.password_file", nats.password, nats.password_file),
                    "ca_file": beside(nats.ca_file),
                    "certificate_file": beside(nats.certificate_file),
                    "key_file": beside(nats.key_file),
                }
            ),
            "s3": s3.model_copy(
                update={
                    "access_key": held("s3.access_key_file", s3.access_key, s3.access_key_file),
                    "secret_key": held("s3.secret_key_file", s3.secret_key, s3.secret_key_file),
                    "ca_file": beside(s3.ca_file),
                }
            ),
            "certificate": beside(run.certificate),
        }
    )


def _what_is_wrong(error: ValidationError) -> str:
    """Name each key and what is wrong with it; what it holds may be a secret."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    said = ((".".join(map(str, one["loc"])), one["msg"].removeprefix("Value error, ")) for one in found)
    return "; ".join(f"{key}: {message}" if key else message for key, message in said)


def _is_locked(data: Path) -> bool:
    try:
        descriptor = os.open(_lock(data), os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _path(data: Path) -> Path:
    return data / "run.json"


def _lock(data: Path) -> Path:
    return data / "lock"
