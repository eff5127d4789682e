"""C-ECHO, again and again, each on an association of its own."""

import time
from collections.abc import Sequence

from bench.told import answer
from isthmus.common.dimse import VERIFICATION, Association, Peer


def echoes(host: str, port: int, ae_title: str, repeat: int) -> Sequence[float]:
    """Give how long each took, from before the connection to the end of the association; in seconds."""
    peer = Peer("scp", host, port, ae_title, "BENCH", 30.0)
    times = []
    for _ in range(repeat):
        started = time.perf_counter()
        association = Association.open(peer, [VERIFICATION])
        association.echo()
        association.release()
        times.append(time.perf_counter() - started)
    return times


if __name__ == "__main__":
    answer(echoes)
