"""Run the service: `python -m isthmus.web_scu`."""

import gc

gc.disable()  # until all is imported, see `settle`

from isthmus.common.service import run
from isthmus.web_scu.worker import worker

if __name__ == "__main__":
    raise SystemExit(run("web-scu", lifespan=worker))
