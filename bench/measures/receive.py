"""What is pushed to an inbox: how fast it is durable, that nothing is lost, and when it is announced."""

import json
import queue
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Final

import httpx2

from bench import bare_store
from bench.contestants import ROOT, ContestantFailed
from bench.data import Study, ct_study
from bench.dcmtk import storescu
from bench.rounds import alternate
from bench.site import INBOX, QUIET_SECONDS, Site, profile_note
from bench.table import Section, below, speed, within
from tests.peers import Peer
from tests.system.gateway import Gateway

SENDERS: Final = 10
_SMALL: Final = 90
"""Rows of an image of 16 KB."""
_FEW: Final = 10
_SEED: Final = 100


@dataclass(frozen=True)
class Event:
    """What the subscriber got."""

    type: str
    study: str
    instances: int
    at: float
    """Seconds since 1970."""


class Subscriber:
    """A process that gets the events of studies."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._lines: queue.Queue[str] = queue.Queue()
        Thread(target=self._read, daemon=True).start()

    def line(self, within_seconds: float) -> str:
        """Give the next line that it writes.

        Raises:
            ContestantFailed: there is none.
        """
        try:
            return self._lines.get(timeout=within_seconds)
        except queue.Empty:
            raise ContestantFailed(f"no event within {within_seconds:.0f} s") from None

    def arrived(self, count: int, within_seconds: float) -> dict[str, Event]:
        """Give the arrivals of so many studies, by Study Instance UID.

        Raises:
            ContestantFailed: one came twice, was amended, or does not come.
        """
        events: dict[str, Event] = {}
        while len(events) < count:
            event = Event(**json.loads(self.line(within_seconds)))
            if event.type != "study.arrived" or event.study in events:
                raise ContestantFailed(f"a second event of a study: {event.type}")
            events[event.study] = event
        return events

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self._lines.put(line)


def measure(site: Site) -> Section:
    """Measure one sender, then small studies one after the other, then many senders."""
    section = Section("Receiving")
    directory = site.directory / "receive"
    directory.mkdir()
    with _subscribed(site.gateway) as subscriber:
        _one_sender(site, subscriber, section)
        _announced(site, subscriber, section, directory)
        _many_senders(site, subscriber, section, directory)
    return section


def _one_sender(site: Site, subscriber: Subscriber, section: Section) -> None:
    study, rounds = site.study, min(site.options.rounds, 3)
    used: dict[str, float] = {}

    def ours() -> float:
        with site.profile(used):
            seconds = storescu(site.called(INBOX), study.files, no_delay=True)
        subscriber.arrived(1, 60)
        _delete(site, study)
        return seconds

    with _bare() as bare, _bare(bare_store.TUNED) as tuned:
        turns: dict[str, Callable[[], float]] = {
            "ours": ours,
            "bare": partial(storescu, bare, study.files, no_delay=True),
            "tuned": partial(storescu, tuned, study.files, no_delay=True),
        }
        times = alternate(rounds, turns)
    title = f"C-STORE of {len(study.files)} CT by storescu with TCP_NODELAY=1, durable"
    section.rows += [
        speed(
            f"{title}, against pynetdicom that drops the data",
            times["ours"],
            times["bare"],
            size=study.size,
            at_least=0.4,
            goal=0.6,
        ),
        speed("- the same with our sockets", times["ours"], times["tuned"], size=study.size),
    ]
    section.notes.append(f"Processor seconds of one such study: {profile_note(used, rounds)}.")


def _announced(site: Site, subscriber: Subscriber, section: Section, directory: Path) -> None:
    """Small studies, one after the other: when the quiet time is over, all that is needed is known."""
    delays = []
    for number in range(site.options.rounds):
        study = ct_study(directory / f"few-{number}", _FEW, seed=_SEED + number, rows=_SMALL)
        storescu(site.called(INBOX), study.files, no_delay=True)
        ended = time.time()
        event = subscriber.arrived(1, QUIET_SECONDS + 30)[study.uid]
        delays.append(event.at - ended - QUIET_SECONDS)
    section.rows.append(within("study.arrived at a subscriber, after the quiet time", delays, 1))


def _many_senders(site: Site, subscriber: Subscriber, section: Section, directory: Path) -> None:
    each = site.options.matches
    studies = [
        ct_study(directory / f"many-{number}", each, seed=_SEED * 2 + number, rows=_SMALL)
        for number in range(SENDERS)
    ]
    refused: list[Exception] = []
    ended: dict[str, float] = {}

    def send(study: Study) -> None:
        try:
            storescu(site.called(INBOX), study.files, no_delay=True)
        except (ContestantFailed, subprocess.TimeoutExpired) as error:
            refused.append(error)
        ended[study.uid] = time.time()

    started = time.time()
    with ThreadPoolExecutor(SENDERS) as executor:
        list(executor.map(send, studies))
    events = subscriber.arrived(SENDERS, QUIET_SECONDS + 60)
    lost = sum(abs(each - events[study.uid].instances) if study.uid in events else each for study in studies)
    late = [event.at - ended[uid] - QUIET_SECONDS for uid, event in events.items() if uid in ended]
    title = f"{SENDERS} senders at once, {each} instances each"
    section.rows += [
        below(f"{title}: senders that were refused", len(refused), 0, "senders"),
        below(f"{title}: instances that no event counts", lost, 0, "instances"),
        within(f"{title}: the last study.arrived, after its quiet time", [max(late)], 3),
    ]
    seconds = max(ended.values()) - started
    size = sum(study.size for study in studies)
    section.notes.append(
        f"{title}: {SENDERS * each / seconds:.0f} instances a second, {size / seconds / 1e6:.0f} MB/s."
    )


def _delete(site: Site, study: Study) -> None:
    """Delete a study, so that the same bytes are new the next time."""
    answer = httpx2.delete(f"{site.url(INBOX)}{study.path}", timeout=60, trust_env=False)
    if not answer.is_success:
        raise ContestantFailed(f"DELETE: status {answer.status_code}")


@contextmanager
def _bare(*arguments: str) -> Iterator[Peer]:
    """Run the SCP that drops what it gets."""
    with _running("bench.bare_store", *arguments) as process:
        port = int(process.stdout.readline()) if process.stdout else 0
        yield Peer(bare_store.AE_TITLE, "127.0.0.1", port)


@contextmanager
def _subscribed(gateway: Gateway) -> Iterator[Subscriber]:
    with _running("bench.subscriber") as process:
        reach = gateway.run_file.nats.model_dump_json(include={"url", "user", "password"})
        if process.stdin:
            process.stdin.write(f"{reach}\n")
            process.stdin.flush()
        subscriber = Subscriber(process)
        subscriber.line(30)
        yield subscriber


@contextmanager
def _running(module: str, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """Run a module of ours until its standard input ends."""
    command: Sequence[str] = [sys.executable, "-W", "ignore", "-m", module, *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            if process.stdin:
                process.stdin.close()
