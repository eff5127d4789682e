"""`python -m isthmus.stow`."""

from isthmus.common.service import run
from isthmus.stow.app import routes
from isthmus.stow.sweep import sweeping

if __name__ == "__main__":
    raise SystemExit(run("stow", routes=routes, lifespan=sweeping))
