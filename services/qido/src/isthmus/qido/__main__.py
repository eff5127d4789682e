"""`python -m isthmus.qido`."""

from isthmus.common.service import run
from isthmus.qido.app import routes

raise SystemExit(run("qido", routes=routes))
