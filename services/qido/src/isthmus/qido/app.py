"""The resources of QIDO-RS (PS3.18 Table 10.6.1-1), and the origins."""

from collections.abc import Sequence

from starlette.routing import BaseRoute

from isthmus.common.access import AccessRoute
from isthmus.common.access.studies import Studies
from isthmus.common.auth import Right
from isthmus.common.dicom.levels import Level
from isthmus.common.dicomweb.resource import ROOTS
from isthmus.common.retrieval import Catalogue
from isthmus.common.service import Parts
from isthmus.qido.answer import SearchTransaction
from isthmus.qido.capabilities import Capabilities
from isthmus.qido.everywhere import EverySearch
from isthmus.qido.origins import Origins
from isthmus.qido.pages import Pages
from isthmus.qido.search import OriginSearch
from isthmus.qido.settings import QidoSettings


def routes(parts: Parts) -> Sequence[BaseRoute]:
    """Give the routes of the service."""
    settings = QidoSettings.of(parts.settings)
    origins = Origins(settings, parts.bus)
    capabilities = Capabilities(settings)
    studies_seen = Studies.of(parts.bus, parts.settings)
    one = OriginSearch(parts.bus, Catalogue(parts.blobs), settings, studies_seen)
    pages = Pages(parts.bus, settings, EverySearch(settings, one.find).find)
    studies, series, instances = (SearchTransaction(settings, pages.find, level).answer for level in Level)
    # Below each origin, and below all of them as one.
    resources = [
        ("/studies", studies),
        ("/series", series),
        ("/instances", instances),
        ("/studies/{study}/series", series),
        ("/studies/{study}/instances", instances),
        ("/studies/{study}/series/{series}/instances", instances),
    ]
    return [
        AccessRoute("/aets", origins.index, right=None),
        AccessRoute("/aets/{origin}", origins.check, right=None),
        *(
            AccessRoute(root, capabilities.describe, right=None, methods=["OPTIONS"])
            for root in ("/", *ROOTS)
        ),
        *(
            AccessRoute(root + path, endpoint, right=Right.SEARCH)
            for root in ROOTS
            for path, endpoint in resources
        ),
    ]
