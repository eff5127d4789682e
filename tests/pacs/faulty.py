"""The PACS as a test holds it."""

import json
import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from tests.data_sets import identity, raw_dataset
from tests.pacs.behaviour import Behaviour
from tests.pacs.behaviours import to_json
from tests.pacs.events import Event, Kind, Operation
from tests.pacs.server import Configuration
from tests.peers import Peer, PeerDied
from tests.peers.forks import Forks
from tests.peers.process import LOOPBACK, TERMINATE_SECONDS
from tests.waiting import PATIENCE

PROCESSES: Final = Forks("tests.pacs", "tests.pacs.server")
"""Of all of them; the fixture that ends it is in the conftest.py of all tests."""


class FaultyPacs:
    """A PACS that misbehaves as told, in a process of its own; a context manager.

    Without behaviours it is a good one. It answers C-ECHO, C-STORE, and C-FIND, C-GET and C-MOVE in the Study
    Root model, and sends each instance's bytes exactly as they are in its file; an instance for which the
    association has no presentation context of its very transfer syntax is a failed sub-operation.
    """

    def __init__(
        self,
        instances: Iterable[Path] = (),
        *behaviours: Behaviour,
        ae_title: str = "FAULTY",
        destinations: Iterable[Peer] = (),
        port: int = 0,
    ) -> None:
        """Start it, and wait until it listens.

        Args:
            instances: the files that it holds.
            behaviours: what it does wrong.
            ae_title: its own.
            destinations: where C-MOVE may send.
            port: where it listens; any free one by default.
        """
        self._received = tempfile.TemporaryDirectory()
        self._events: list[Event] = []
        self._changed = threading.Condition()
        self._ended = False
        self._asking = threading.Lock()
        (its_input, our_output), (our_input, its_output) = os.pipe(), os.pipe()
        self._process = PROCESSES.start([its_input, its_output])
        os.close(its_input)
        os.close(its_output)
        self._input: IO[str] = os.fdopen(our_output, "w")
        self._reader = threading.Thread(target=self._read, args=[os.fdopen(our_input)], daemon=True)
        self._reader.start()
        configuration = Configuration(
            ae_title=ae_title,
            files=[str(file) for file in instances],
            destinations=list(destinations),
            behaviours=to_json(behaviours),
            received=self._received.name,
            port=port,
        )
        self._write(asdict(configuration))
        try:
            listening = self.wait_for(lambda event: event.kind is Kind.LISTENING)
        except (PeerDied, TimeoutError):
            self.stop()
            raise
        self.peer = Peer(ae_title, LOOPBACK, listening.port)

    def behave(self, *behaviours: Behaviour) -> None:
        """Have these behaviours and no others, from the next operation on."""
        self._ask(to_json(behaviours), Kind.BEHAVES)

    def events(self, kind: Kind | None = None) -> list[Event]:
        """What has happened so far, in order; all of it, or one kind.

        When a client has the final response to an operation, all that the operation did is here. The end of
        an association may be noticed a little later; see `wait_until_closed`.
        """
        with suppress(PeerDied, BrokenPipeError):
            self._ask(None, Kind.SYNCHRONISED)
        with self._changed:
            return [
                event
                for event in self._events
                if kind is event.kind or (kind is None and event.kind is not Kind.SYNCHRONISED)
            ]

    def wait_for(self, wanted: Callable[[Event], bool], *, timeout_seconds: float = PATIENCE) -> Event:
        """Wait until such an event has happened, and give it.

        Raises:
            PeerDied: the PACS has ended.
            TimeoutError: it has not happened in time.
        """
        self._wait_until(lambda: any(map(wanted, self._events)), timeout_seconds=timeout_seconds)
        with self._changed:
            return next(filter(wanted, self._events))

    def _wait_until(self, condition: Callable[[], bool], *, timeout_seconds: float = PATIENCE) -> None:
        """Wait until something holds that events bring about; raises what `wait_for` raises.

        Args:
            condition: asked after each event, with the lock held: it must not ask the PACS.
            timeout_seconds: when to give up.
        """
        with self._changed:
            held = self._changed.wait_for(lambda: condition() or self._ended, timeout_seconds)
            if not held:
                raise TimeoutError(f"It did not happen; what did: {self._events}")
            if not condition():
                raise PeerDied("The PACS has ended; see its standard error")

    def operations(self, operation: Operation | None = None) -> list[Event]:
        """The operations that came in, in order; all, or one kind."""
        return [event for event in self.events(Kind.BEGUN) if operation in (None, event.operation)]

    def sent(self) -> list[str]:
        """The SOP Instance UIDs of the sub-operations that it did, in order."""
        return [event.sop_instance_uid for event in self.events(Kind.SENT)]

    def cancels(self) -> int:
        """How many C-CANCEL came."""
        return len(self.events(Kind.CANCELLED))

    def contexts(self) -> list[Sequence[tuple[str, Sequence[str]]]]:
        """The presentation contexts that were proposed, for each association."""
        return [event.contexts for event in self.events(Kind.OPENED)]

    def associations(self) -> int:
        """How many associations it accepted."""
        return len(self.events(Kind.OPENED))

    def associations_at_once(self) -> int:
        """How many were open at the same time, at most."""
        open_now: set[int] = set()
        peak = 0
        for event in self.events():
            if event.kind is Kind.OPENED:
                open_now.add(event.association)
            elif event.kind is Kind.CLOSED:
                open_now.discard(event.association)
            peak = max(peak, len(open_now))
        return peak

    def wait_until_closed(self, *, timeout_seconds: float = PATIENCE) -> None:
        """Wait until no association is open."""
        self.events()

        def all_closed() -> bool:
            opened = {event.association for event in self._events if event.kind is Kind.OPENED}
            return opened <= {event.association for event in self._events if event.kind is Kind.CLOSED}

        self._wait_until(all_closed, timeout_seconds=timeout_seconds)

    def forget(self) -> None:
        """Forget what happened so far and what was stored, so that several tests can use one PACS."""
        with self._changed:
            self._events.clear()
        for file in Path(self._received.name).iterdir():
            file.unlink()

    def renewed(self, *behaviours: Behaviour) -> Self:
        """Have these behaviours, with no association open and nothing remembered: for the next test."""
        self.behave(*behaviours)
        self.wait_until_closed()
        self.forget()
        return self

    def stored(self) -> dict[str, list[bytes]]:
        """The data sets that C-STORE brought and that it kept, by the SOP Instance UID in each."""
        stored: dict[str, list[bytes]] = {}
        for file in sorted(Path(self._received.name).iterdir()):
            stored.setdefault(identity(file).sop_instance_uid, []).append(raw_dataset(file))
        return stored

    def stop(self) -> None:
        """End it, and wait until it has ended. A second call does nothing."""
        with suppress(BrokenPipeError):
            self._input.close()
        self._reader.join(TERMINATE_SECONDS)  # its output is open until it ends
        self.kill()
        self._reader.join()
        self._received.cleanup()

    def kill(self) -> None:
        """End it at once, as a crash would; its peers see their connections break."""
        self._process.kill()
        self._process.wait()

    def _ask(self, value: object, answer: Kind) -> None:
        """Say something, and wait for the event that answers it; only one thread asks at a time."""
        with self._asking:
            with self._changed:
                count = self._count(answer)
            self._write(value)
            self._wait_until(lambda: self._count(answer) > count)

    def _count(self, kind: Kind) -> int:
        return sum(event.kind is kind for event in self._events)

    def _write(self, value: object) -> None:
        self._input.write(json.dumps(value) + "\n")
        self._input.flush()

    def _read(self, output: IO[str]) -> None:
        with output:
            for line in output:
                event = Event.from_json(json.loads(line))
                with self._changed:
                    self._events.append(event)
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
