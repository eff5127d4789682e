"""Run the PACS: standard input has its configuration, then on each further line new behaviours or null.

It says on standard output what happens, one event a line; null asks for one that comes after all that were
due. It ends with its standard input.
"""

import json
import sys
import threading

from tests.pacs.events import Event, Kind
from tests.pacs.server import Configuration, Server


def main() -> None:
    """Serve until standard input ends."""
    lock = threading.Lock()

    def emit(event: Event) -> None:
        line = json.dumps(event.to_json())
        with lock:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    server = Server(Configuration(**json.loads(sys.stdin.readline())), emit)
    server.start()
    for line in sys.stdin:
        behaviours = json.loads(line)
        if behaviours is None:
            emit(Event(kind=Kind.SYNCHRONISED))
        else:
            server.behave(behaviours)
    server.stop()


if __name__ == "__main__":
    main()
