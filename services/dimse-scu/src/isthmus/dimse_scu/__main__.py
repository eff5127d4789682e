"""Run the worker for DIMSE origins."""

import gc

gc.disable()  # until all is imported, see `settle`

from isthmus.common.service import run
from isthmus.dimse_scu.worker import worker

if __name__ == "__main__":
    raise SystemExit(run("dimse-scu", lifespan=worker))
