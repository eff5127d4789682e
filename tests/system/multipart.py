"""Bodies of WADO-RS, read by the standard library."""

from email.parser import BytesParser
from email.policy import HTTP

import httpx2

from tests.data_sets import identity, raw_dataset

INSTANCES = 'multipart/related; type="application/dicom"; transfer-syntax=*'


def parts(body: bytes, content_type: str) -> list[bytes]:
    """Give the contents of the parts.

    Raises:
        ValueError: the body does not end with its closing delimiter.
    """
    message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode())
    boundary = message.get_boundary()
    if boundary is None:
        raise ValueError("no boundary")
    delimiter = b"--" + boundary.encode()
    if not body.rstrip(b"\r\n").endswith(delimiter + b"--"):
        raise ValueError("no closing delimiter")
    chunks = body.split(delimiter)[1:-1]
    return [chunk.split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n") for chunk in chunks]


def datasets(body: bytes, content_type: str) -> dict[str, bytes]:
    """Give the raw data sets of a body's instances by SOP Instance UID."""
    files = parts(body, content_type)
    found = {identity(file).sop_instance_uid: raw_dataset(file) for file in files}
    if len(found) != len(files):
        raise ValueError("an instance is there twice")
    return found


def retrieve(http: httpx2.Client, origin: str, study: str) -> tuple[dict[str, bytes], bool]:
    """Retrieve a study: its data sets, and whether the body was whole."""
    received = bytearray()
    with http.stream("GET", f"/aets/{origin}/studies/{study}", headers={"Accept": INSTANCES}) as response:
        if response.status_code != 200:
            raise AssertionError(f"{response.status_code}: {response.read().decode()}")
        content_type = response.headers["content-type"]
        try:
            for chunk in response.iter_raw():
                received += chunk
        except httpx2.RemoteProtocolError:
            return datasets_of_broken(bytes(received), content_type), False
    return datasets(bytes(received), content_type), True


def datasets_of_broken(body: bytes, content_type: str) -> dict[str, bytes]:
    """Give the data sets of the parts that arrived whole, by their Content-Length."""
    boundary = content_type.rpartition("boundary=")[2].strip('"').encode()
    whole: list[bytes] = []
    for chunk in body.split(b"--" + boundary + b"\r\n")[1:]:
        head, _, content = chunk.partition(b"\r\n\r\n")
        length = int(BytesParser(policy=HTTP).parsebytes(head)["content-length"])
        if len(content) >= length:
            whole.append(content[:length])
    return {identity(file).sop_instance_uid: raw_dataset(file) for file in whole}
