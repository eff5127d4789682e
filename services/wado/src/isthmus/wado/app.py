"""The resources of WADO-RS (PS3.18 Table 10.4.1-1)."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from starlette.routing import BaseRoute, Route

from isthmus.common.service import Parts
from isthmus.common.threads import Threads
from isthmus.wado.bulkdata import bulkdata
from isthmus.wado.instances import Instances
from isthmus.wado.metadata import metadata
from isthmus.wado.retrieve import retrieve
from isthmus.wado.settings import WadoSettings
from isthmus.wado.streamed import Streamed

STUDY: Final = "/aets/{origin}/studies/{study}"
SERIES: Final = STUDY + "/series/{series}"
INSTANCE: Final = SERIES + "/instances/{instance}"

HEADER_THREADS: Final = 4
"""They wait for S3 more than they compute."""


def routes(parts: Parts) -> Sequence[BaseRoute]:
    """Give the routes of the service."""
    instances = Instances(
        WadoSettings.of(parts.settings), parts.bus, parts.blobs, Threads("headers", HEADER_THREADS)
    )
    resources = [
        (STUDY, retrieve),
        (SERIES, retrieve),
        (INSTANCE, retrieve),
        (STUDY + "/metadata", metadata),
        (SERIES + "/metadata", metadata),
        (INSTANCE + "/metadata", metadata),
        (INSTANCE + "/bulkdata/{path:path}", bulkdata),
    ]
    return [
        Route(path, Streamed(partial(endpoint, instances)), methods=["GET"]) for path, endpoint in resources
    ]
