"""Run the service: `python -m isthmus.arrivals`."""

import gc

gc.disable()  # until all is imported, see `settle`

from isthmus.arrivals.worker import worker
from isthmus.common.service import run

if __name__ == "__main__":
    raise SystemExit(run("arrivals", lifespan=worker))
