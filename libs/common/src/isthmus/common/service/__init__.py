"""The life of a service: settings, telemetry, bus and blobs, its HTTP server, its health, its stop."""

from isthmus.common.service.failing import fail
from isthmus.common.service.parts import Parts
from isthmus.common.service.run import run

__all__ = ["Parts", "fail", "run"]
