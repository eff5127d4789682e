"""The bound of receiving: `python -m bench.bare_store`, pynetdicom alone, a storage SCP that drops the data.

It writes its port, and ends when its standard input does.
"""

import sys
from threading import Thread
from typing import Final

from pynetdicom import AE, AllStoragePresentationContexts, evt

from isthmus.common.dimse.sockets import MAX_PDU, install

AE_TITLE: Final = "BARE"
TUNED: Final = "--tuned"
_SUCCESS: Final = 0x0000


def main() -> None:
    """Take whatever comes."""
    if TUNED in sys.argv[1:]:
        install()
    ae = AE(ae_title=AE_TITLE)
    ae.maximum_pdu_size = MAX_PDU
    ae.supported_contexts = AllStoragePresentationContexts
    server = ae.make_server(("127.0.0.1", 0), evt_handlers=[(evt.EVT_C_STORE, lambda _: _SUCCESS)])
    ae._servers.append(server)  # noqa: SLF001 - from where its shutdown removes it
    Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main()
