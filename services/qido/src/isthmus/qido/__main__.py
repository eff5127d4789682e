"""`python -m isthmus.qido`."""

import gc

gc.disable()  # until all is imported, see `settle`

from isthmus.common.service import run
from isthmus.qido.app import routes

raise SystemExit(run("qido", routes=routes))
