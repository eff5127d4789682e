"""Workers in processes of their own, to be killed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from isthmus.common.config.settings import S3, Nats
from tests.pacs import FaultyPacs


class Worker:
    """One process of the worker."""

    def __init__(self, nats: Nats, s3: S3, name: str, pacs: FaultyPacs) -> None:
        origin = {
            "name": name,
            "ae_title": pacs.peer.ae_title,
            "port": pacs.peer.port,
            "retrieve": ["c-get"],
            "timeout_seconds": 5,
        }
        settings = {
            "ISTHMUS_NATS__URL": nats.url,
            "ISTHMUS_NATS__USER": nats.user,
            "ISTHMUS_NATS__PASSWORD": nats.password,
            "ISTHMUS_S3__ENDPOINT": s3.endpoint,
            "ISTHMUS_S3__BUCKET": s3.bucket,
            "ISTHMUS_S3__ACCESS_KEY": s3.access_key,
            "ISTHMUS_S3__SECRET_KEY": s3.secret_key,
            "ISTHMUS_ORIGINS": json.dumps([origin]),
        }
        foreign = {key: value for key, value in os.environ.items() if not key.startswith("ISTHMUS_")}
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "isthmus.dimse_scu"], env={**foreign, **settings}
        )

    def peak_memory(self) -> int:
        """Give the most bytes that it ever had resident."""
        status = Path(f"/proc/{self._popen.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024

    def kill(self) -> None:
        """End it without a chance to do anything about it."""
        self._popen.kill()
        self._popen.wait()

    def stop(self, seconds: float) -> int:
        """Ask it to end, and give its exit code; raises subprocess.TimeoutExpired if it takes longer."""
        self._popen.send_signal(signal.SIGTERM)
        return self._popen.wait(seconds)


class Workers:
    """Starts workers, all for one origin."""

    def __init__(self, nats: Nats, s3: S3, name: str, pacs: FaultyPacs) -> None:
        self.name = name
        self._of = (nats, s3, name, pacs)
        self._started: list[Worker] = []

    def start(self) -> Worker:
        """Start one."""
        started = Worker(*self._of)
        self._started.append(started)
        return started

    def end(self) -> None:
        """Kill what is left."""
        for one in self._started:
            one.kill()


@contextmanager
def workers_of(nats: Nats, s3: S3, name: str, pacs: FaultyPacs) -> Iterator[Workers]:
    """Start workers inside the block; none outlives it."""
    workers = Workers(nats, s3, name, pacs)
    try:
        yield workers
    finally:
        workers.end()
