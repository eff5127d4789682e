"""A running system under what nobody should send: raw HTTP at the gateway, PDUs at scp.

    .venv/bin/python -m tests.fuzz.system --requests 20000

Nothing may fail, end or grow: each process of the system is measured after a tenth, and at the end.
"""

import argparse
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from threading import Lock
from typing import Final
from urllib.parse import urlsplit

import httpx2

from tests.data_sets import identity, make_series
from tests.fuzz import hostile_http, hostile_pdus
from tests.system.gateway import Gateway
from tests.system.multipart import PAYLOAD, payload

ORIGIN, AE_TITLE = "inbox", "INBOX"
KEEPER: Final = "day"
"""The inbox that takes what is stored."""
SETTINGS: Final = (
    f'[[origins]]\nname = "{ORIGIN}"\nprotocol = "inbox"\nae_title = "{AE_TITLE}"\n'
    f'[[origins]]\nname = "{KEEPER}"\nprotocol = "inbox"\nae_title = "DAY"\n'
)
MOST_GROWN_MB: Final = 24
"""For each of our processes. What it holds of the last requests moves by some."""
NOT_OURS: Final = frozenset({"gateway", "nats", "s3"})
"""Servers that keep what is stored, or pages of it, in memory as they like."""
SHOWN: Final = 1000
"""Bytes of a request that failed."""
_AT_ONCE: Final = 8


@dataclass
class Siege:
    """What is sent to a system, and what came of it."""

    gateway: Gateway
    file: Path
    """What its inbox has."""
    other: Path
    """An instance of another study."""
    seed: int
    statuses: Counter[int] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    associations: int = 0

    def __post_init__(self) -> None:
        """Make what is to be changed."""
        self._lock = Lock()
        who = identity(self.file)
        self._requests = hostile_http.requests(ORIGIN, who, KEEPER, self.other.read_bytes())
        self._messages = hostile_pdus.messages()
        self._greetings = hostile_pdus.requests(AE_TITLE)
        url = urlsplit(self.gateway.url)
        self._web = (str(url.hostname), int(url.port or 80))
        self._scp = (self.gateway.scp.host, self.gateway.scp.port)

    def requests(self, count: int) -> None:
        """Send so many requests."""
        self._spread(count, self._request)

    def pdus(self, count: int) -> None:
        """Open so many connections to scp, half of them for an association."""
        self._spread(count, self._connect)

    def is_well(self) -> bool:
        """Tell whether good requests are answered as before."""
        with httpx2.Client(base_url=self.gateway.url, timeout=30, trust_env=False) as http:
            study = identity(self.file).study_instance_uid
            found = http.get(f"/aets/{ORIGIN}/studies/{study}/metadata")
        return found.status_code == 200 and self.gateway.json_of("echo", ORIGIN)["ok"] is True

    def _spread(self, count: int, one: Callable[[random.Random], None]) -> None:
        shares = [count // _AT_ONCE + (place < count % _AT_ONCE) for place in range(_AT_ONCE)]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for done in [pool.submit(self._some, share, place, one) for place, share in enumerate(shares)]:
                done.result()
        self.seed += 1

    def _some(self, count: int, place: int, one: Callable[[random.Random], None]) -> None:
        chance = random.Random(f"{self.seed} {place}")
        for _ in repeat(None, count):
            try:
                one(chance)
            except AssertionError as error:
                self.failed.append(str(error))

    def _request(self, chance: random.Random) -> None:
        request = hostile_http.hostile(self._requests, chance)
        for status, answer in hostile_http.asked(self._web, request):
            with self._lock:
                self.statuses[status] += 1
            if hostile_http.is_ours(status):
                self.failed.append(f"{answer!r} to {request[:SHOWN]!r}")

    def _connect(self, chance: random.Random) -> None:
        if chance.random() < 0.5:
            hostile_pdus.greet(self._scp, self._greetings, chance)
        else:
            associated = hostile_pdus.talk(self._scp, AE_TITLE, self._messages, chance)
            with self._lock:
                self.associations += associated


def images(directory: Path) -> tuple[Path, Path]:
    """Make two images, each of a study of its own."""
    (first,), (second,) = (make_series(directory / str(seed), 1, seed=seed) for seed in (815, 816))
    return first, second


def store(gateway: Gateway, file: Path) -> None:
    """Store an image in the inbox."""
    with httpx2.Client(base_url=gateway.url, timeout=30, trust_env=False) as http:
        answer = http.post(
            f"/aets/{ORIGIN}/studies", content=payload([file.read_bytes()]), headers={"Content-Type": PAYLOAD}
        )
    assert answer.status_code == 200, answer.text


def resident_mb(gateway: Gateway) -> Mapping[tuple[str, int], float]:
    """Give the megabytes that each process of a system holds, by its service and id."""
    return {(service, pid): _resident(pid) for service, pids in sorted(gateway.pids.items()) for pid in pids}


def _resident(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split(maxsplit=1)[0]) / 1024


def main() -> int:
    """Besiege a system of its own; 1: something was found."""
    options = argparse.ArgumentParser(prog="python -m tests.fuzz.system", description=__doc__)
    options.add_argument("--requests", type=int, default=20_000, help="and half as many connections to scp")
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="isthmus-fuzz-") as folder:
        directory = Path(folder)
        with Gateway(directory, SETTINGS) as gateway:
            siege = Siege(gateway, *images(directory), asked.seed)
            store(gateway, siege.file)
            siege.requests(asked.requests // 10)
            siege.pdus(asked.requests // 20)
            before = resident_mb(gateway)
            siege.requests(asked.requests - asked.requests // 10)
            siege.pdus(asked.requests // 2 - asked.requests // 20)
            after = resident_mb(gateway)
            is_well = siege.is_well()
    grown = {key: round(after[key] - before[key], 1) for key in before.keys() & after.keys()}
    sys.stdout.write(
        f"seed {asked.seed}; {asked.requests} requests: {dict(sorted(siege.statuses.items()))}\n"
    )
    sys.stdout.write(f"{asked.requests // 2} connections to scp, {siege.associations} associations\n")
    sys.stdout.write("".join(f"  {name} {pid}: +{mb} MB\n" for (name, pid), mb in sorted(grown.items())))
    for failure in siege.failed[:20]:
        sys.stdout.write(f"FAILED {failure}\n")
    ended = before.keys() ^ after.keys()
    if ended:
        sys.stdout.write(f"FAILED: ended or were started anew: {sorted(ended)}\n")
    if not is_well:
        sys.stdout.write("FAILED: good requests are not answered any more\n")
    most = max(mb for (service, _), mb in grown.items() if service not in NOT_OURS)
    if most > MOST_GROWN_MB:
        sys.stdout.write(f"FAILED: a process grew by {most} MB\n")
    is_fine = is_well and not siege.failed and not ended and most <= MOST_GROWN_MB
    return int(not is_fine)


if __name__ == "__main__":
    sys.exit(main())
