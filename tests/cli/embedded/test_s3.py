import asyncio
import os
import ssl
import stat
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pytest
import urllib3
from minio import Minio
from minio.error import S3Error

from isthmus.cli.embedded import EmbeddedS3


def client(server: EmbeddedS3, http: urllib3.PoolManager, secret_key: str | None = None) -> Minio:
    return Minio(
        server.endpoint,
        server.access_key,
        secret_key or server.secret_key,
        secure=False,
        region="us-east-1",
        http_client=http,
    )


async def test_the_keys_are_in_a_private_file_and_not_in_the_arguments(tmp_path: Path) -> None:
    server = EmbeddedS3(tmp_path / "s3")
    server.directory.mkdir()
    server.prepare()
    credentials = server.directory / "s3.json"
    assert server.secret_key in credentials.read_text()
    assert stat.S_IMODE(credentials.stat().st_mode) == 0o600
    assert server.secret_key not in " ".join(server.program.command)


async def test_objects_are_there_after_a_restart_on_other_ports_and_a_wrong_key_is_refused(
    tmp_path: Path,
) -> None:
    with urllib3.PoolManager(retries=False, timeout=5) as http:
        async with EmbeddedS3(tmp_path / "s3") as server:
            client(server, http).put_object(server.bucket, "kept", BytesIO(b"bytes"), 5)
            with pytest.raises(S3Error, match="AccessDenied"):
                client(server, http, secret_key="wrong-key").bucket_exists(server.bucket)
        async with EmbeddedS3(tmp_path / "s3") as server:
            answer = client(server, http).get_object(server.bucket, "kept")
            assert answer.data == b"bytes"
            answer.release_conn()


async def test_what_is_behind_the_interface_gives_nothing_to_whom_it_does_not_know(tmp_path: Path) -> None:
    with urllib3.PoolManager(retries=False, timeout=5) as http:
        async with EmbeddedS3(tmp_path / "s3") as server:
            client(server, http).put_object(server.bucket, "held/a", BytesIO(b"bytes"), 5)
            ports = {
                option.partition(".port=")[0].lstrip("-"): option.partition("=")[2]
                for option in server.program.command
                if ".port=" in option
            }
            filer = f"http://127.0.0.1:{ports['filer']}/buckets/{server.bucket}"
            for method, url in (
                ("GET", f"{filer}/held/a"),
                ("GET", f"{filer}/held/"),
                ("PUT", f"{filer}/held/b"),
                ("DELETE", f"{filer}/held/a"),
                ("GET", f"http://127.0.0.1:{ports['volume']}/1,0100000001"),
            ):
                answer = http.request(method, url, headers={"Accept": "application/json"})
                assert (url, answer.status) == (url, 401)
            grpc = [option.partition("=")[2] for option in server.program.command if ".port.grpc=" in option]
            assert len(grpc) == 4
            assert [await hears_http_2(int(port)) for port in grpc] == [False] * len(grpc)
            got = client(server, http).get_object(server.bucket, "held/a")
            assert got.data == b"bytes"
            got.release_conn()


async def hears_http_2(port: int) -> bool:
    """Whether a server of gRPC takes part with who shows no certificate, over TLS or without."""
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    anybody.set_alpn_protocols(["h2"])
    heard = b""
    for context in (None, anybody):
        with suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
            with suppress(TimeoutError):
                async with asyncio.timeout(2):
                    heard += await reader.read(9)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
    return bool(heard)


async def test_nothing_is_left_in_the_folder_for_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    async with EmbeddedS3(tmp_path / "s3") as server:
        ports = {option.partition("=")[2] for option in server.program.command if ".port" in option}
    # The sockets lie where SeaweedFS puts them, whatever TMPDIR says.
    assert not [name for name in os.listdir("/tmp") if any(f"-{port}.sock" in name for port in ports)]
    assert [*temporary.iterdir()] == []
