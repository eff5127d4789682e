"""Run the service: `python -m isthmus.scp`."""

import gc

gc.disable()  # until all is imported, see `settle`

from isthmus.common.service import run
from isthmus.scp.worker import lifespan

raise SystemExit(run("scp", lifespan=lifespan))
