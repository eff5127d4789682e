"""PACS, receivers and clients that nobody here wrote: Orthanc and DCMTK, each started as a process."""

from tests.peers.clients import Outcome, echoscu, findscu, getscu, movescu, storescu
from tests.peers.dcmtk import Dcmqrscp, Storescp
from tests.peers.leftovers import Leftovers
from tests.peers.orthanc import Orthanc, OrthancError
from tests.peers.process import Peer, PeerDied, Process, eventually, free_port, free_ports

__all__ = [
    "Dcmqrscp",
    "Leftovers",
    "Orthanc",
    "OrthancError",
    "Outcome",
    "Peer",
    "PeerDied",
    "Process",
    "Storescp",
    "echoscu",
    "eventually",
    "findscu",
    "free_port",
    "free_ports",
    "getscu",
    "movescu",
    "storescu",
]
