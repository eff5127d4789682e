"""Run the service: `python -m isthmus.scp`."""

from isthmus.common.service import run
from isthmus.scp.worker import lifespan

raise SystemExit(run("scp", lifespan=lifespan))
