"""The bus and the blobs of a running system, for the commands that do not speak HTTP to the gateway."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from isthmus.cli.run_file import RunFile
from isthmus.common.auth import Grants
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.bus.granted import Gate
from isthmus.common.threads import Threads

_THREADS: Final = 4


@dataclass(frozen=True)
class Connected:
    """What a running system is reached by."""

    run: RunFile
    bus: Bus
    blobs: BlobStore


@asynccontextmanager
async def connected(data: Path, name: str) -> AsyncIterator[Connected]:
    """Find the system by its data folder and connect to its bus, under a name that NATS shows.

    Raises:
        NotRunning: nothing runs with the data folder.
        BusUnavailable: NATS does not answer.
        SettingsError: the certificates by which NATS or S3 is verified cannot be read.
    """
    run = RunFile.read(data)
    threads = Threads("s3", _THREADS)
    s3 = run.s3
    blobs = BlobStore(
        s3.endpoint, s3.access_key, s3.secret_key, s3.bucket, threads=threads, ca_file=s3.ca_file
    )
    try:
        # What it puts into the queues again, it vouches for, as the services do.
        bus = await Bus.connect(run.nats.settings, name, Gate(Grants(run.signing_key or None, name)))
        try:
            yield Connected(run, bus, blobs)
        finally:
            await bus.close()
    finally:
        blobs.close()
        threads.close()
