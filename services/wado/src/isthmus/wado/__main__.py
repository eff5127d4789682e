"""`python -m isthmus.wado`."""

import gc

gc.disable()  # until all is imported, see `settle`

from isthmus.common.service import run
from isthmus.wado.app import routes

if __name__ == "__main__":
    raise SystemExit(run("wado", routes=routes))
