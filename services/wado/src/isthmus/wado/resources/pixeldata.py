"""The pixel data of instances, series and studies (PS3.18 10.4.1.1.6, 10.4.3.3.6), without those of icons."""

from contextlib import AbstractAsyncContextManager

from starlette.requests import Request

from isthmus.wado.answers.streamed import Body
from isthmus.wado.instances import Instances
from isthmus.wado.pixels.bulk_values import is_pixel_data
from isthmus.wado.resources.bulkdata import all_values


def pixeldata(instances: Instances, request: Request) -> AbstractAsyncContextManager[Body]:
    """Give the pixel data of each instance that has some.

    Raises:
        NoSuchObject: none has.
        NotAcceptable: those of the first one cannot be had in what the client takes. When that happens to a
            later one, the body is broken off.
        PixelsUnreadable: they cannot be decoded.
    """
    return all_values(instances, request, is_pixel_data)
