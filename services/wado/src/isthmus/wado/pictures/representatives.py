"""Which instance stands for a study or series: one in its middle, found without fetching the others."""

from collections.abc import Sequence
from typing import Final

from isthmus.common.bus import Bus, search
from isthmus.common.dicom.json_model import DicomJson, JsonValue
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import MatchingKey
from isthmus.common.dicom.search_attributes import UNIQUE_KEYS
from isthmus.common.dicomweb.offers import GIF
from isthmus.common.dicomweb.resource import ALL, Resource
from isthmus.common.errors import IsthmusError
from isthmus.common.federation import Federation, Visible
from isthmus.common.messages import Query, Retrieve
from isthmus.common.retrieval import Catalogue, Manifest
from isthmus.common.telemetry import get_logger
from isthmus.wado.parameters.categories import Category, category_of_class, offers_of

MOST_LISTED: Final = 1_000
"""Matches of a search that are waited for."""
_MODALITY, _SOP_CLASS, _INSTANCE_NUMBER, _COUNT = "00080060", "00080016", "00200013", "00201209"
_WITHOUT_IMAGES: Final = frozenset(
    (
        *("SR", "PR", "KO", "DOC", "PLAN", "REG", "FID", "SEG", "RWV", "ANN", "ASMT", "M3D", "POS"),
        *("ECG", "EEG", "EMG", "EOG", "HD", "RESP", "AU", "RTPLAN", "RTSTRUCT", "RTRECORD"),
        *("CTPROTOCOL", "XAPROTOCOL", "TEXTUREMAP"),
    )
)
"""Modalities (0008,0060) whose series do not stand for a study."""

log = get_logger(__name__)


class Representatives:
    """Knows where to look."""

    def __init__(self, bus: Bus, catalogue: Catalogue, federation: Federation) -> None:
        """Look in the catalogue first, then ask the origins."""
        self._bus = bus
        self._catalogue = catalogue
        self._federation = federation

    async def of(self, resource: Resource, among: Visible) -> Sequence[Resource]:
        """Give some instances that may stand for a study or a series, the best first; none if nobody tells.

        What is held is found at the cost of its manifest, what is not by two searches.

        Args:
            resource: the study or series, at one origin or at `ALL`.
            among: the origins that count.
        """
        try:
            for origin in await self._origins(resource, among):
                manifest = await self._catalogue.load(origin, resource.study)
                held = [] if manifest is None else _held(manifest, resource)
                if found := held or await self._listed(origin, resource):
                    return found
        except IsthmusError as error:  # whoever reads it hears more
            log.info("no representative found", reason=error.title)
        return []

    async def _origins(self, resource: Resource, among: Visible) -> Sequence[str]:
        if resource.origin != ALL:
            return among.origins
        return await self._federation.origins_of(resource.study, among)

    async def _listed(self, origin: str, resource: Resource) -> list[Resource]:
        series = resource.series or await self._series(origin, resource.study)
        if series is None:
            return []
        above = (resource.study, series)
        matches = await self._matches(origin, Level.IMAGE, above, _SOP_CLASS, _INSTANCE_NUMBER)
        images = [
            match
            for match in matches
            if category_of_class(str(_value(match, _SOP_CLASS) or "")) is Category.IMAGE
        ]
        numbered = sorted(images, key=lambda match: _number(match, _INSTANCE_NUMBER))
        uids = [str(_value(match, UNIQUE_KEYS[Level.IMAGE])) for match in numbered]
        return [Resource(origin, resource.study, series, uid) for uid in _from_the_middle(uids)]

    async def _series(self, origin: str, study: str) -> str | None:
        """Give the series of images that has the most of them, as far as the origin counts them."""
        matches = await self._matches(origin, Level.SERIES, (study,), _MODALITY, _COUNT)
        of_images = [match for match in matches if _value(match, _MODALITY) not in _WITHOUT_IMAGES]
        largest = max(of_images or matches, key=lambda match: _number(match, _COUNT), default=None)
        return None if largest is None else str(_value(largest, UNIQUE_KEYS[Level.SERIES]))

    async def _matches(
        self, origin: str, level: Level, above: Sequence[str], *return_tags: str
    ) -> list[DicomJson]:
        unique = UNIQUE_KEYS[level]
        pairs = zip((Level.STUDY, Level.SERIES), above, strict=False)
        keys = tuple(MatchingKey((UNIQUE_KEYS[one],), (uid,)) for one, uid in pairs)
        query = Query(origin, level, keys, tuple((tag,) for tag in (unique, *return_tags)))
        found: list[DicomJson] = []
        async with search(self._bus, query) as matches:
            async for match in matches:
                if _value(match, unique):
                    found.append(match)
                if len(found) == MOST_LISTED:
                    break
        return found


def _held(manifest: Manifest, resource: Resource) -> list[Resource]:
    """Give what stands for what is held: of the series that has most images."""
    by_series: dict[str, list[str]] = {}
    for blob in manifest.blobs(Retrieve(manifest.origin, resource.study, resource.series)):
        if GIF in offers_of(blob):
            by_series.setdefault(blob.series_instance_uid, []).append(blob.sop_instance_uid)
    if not by_series:
        return []
    series, uids = max(by_series.items(), key=lambda item: len(item[1]))
    return [Resource(manifest.origin, resource.study, series, uid) for uid in _from_the_middle(uids)]


def _from_the_middle(uids: Sequence[str]) -> list[str]:
    if not uids:
        return []
    return list(dict.fromkeys((uids[len(uids) // 2], uids[0], uids[-1])))


def _value(match: DicomJson, tag: str) -> JsonValue:
    element = match.get(tag)
    return next(iter(element.get("Value", ())), None) if element is not None else None


def _number(match: DicomJson, tag: str) -> float:
    value = _value(match, tag)
    return value if isinstance(value, int | float) else 0
