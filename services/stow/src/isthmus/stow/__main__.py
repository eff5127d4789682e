"""`python -m isthmus.stow`."""

import gc

gc.disable()  # until all is imported, see `settle`

from isthmus.common.service import run
from isthmus.stow.app import routes
from isthmus.stow.sweep import sweeping

if __name__ == "__main__":
    raise SystemExit(run("stow", routes=routes, lifespan=sweeping))
