"""`python -m isthmus.wado`."""

from isthmus.common.service import run
from isthmus.wado.app import routes

if __name__ == "__main__":
    raise SystemExit(run("wado", routes=routes))
