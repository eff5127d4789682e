"""What is too much of a request to wado."""

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import DimseOrigin, Settings
from isthmus.common.config.limits import Limits
from isthmus.common.service import Parts
from isthmus.wado.app import routes
from tests.wado.serving import client_of


@pytest.mark.parametrize("resource", ["", "/rendered", "/thumbnail"])
async def test_a_longer_list_of_frames_than_may_be_is_400(
    bus: Bus, blobs: BlobStore, origin_name: str, resource: str
) -> None:
    origin = DimseOrigin(name=origin_name, ae_title="PACS", port=104)
    parts = Parts(Settings(origins=(origin,), limits=Limits(max_frames=3)), bus, blobs)
    async with client_of(parts, routes, f"/aets/{origin_name}/studies/1/series/2/instances/3/") as http:
        response = await http.get(f"frames/1,2,3,4{resource}")
        assert response.status_code == 400
        assert response.json()["detail"] == "frames: at most 3 frames can be had at once"
