"""What the commands reach the bus and the blobs by, where others run these with TLS."""

from collections.abc import Iterator
from pathlib import Path
from shutil import copy

import pytest

from isthmus.cli.connected import connected
from isthmus.cli.doctor import Verdict
from isthmus.cli.run_file import ELSEWHERE, CachePart, NatsPart, RunFile, S3Part, ScpPart
from isthmus.cli.status.target import Target
from tests.certificates import Authority
from tests.cli.doctor.examining import examined
from tests.secure_servers import SecureNats, SecureS3
from tests.servers import started


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The operator's, with the certificate of the authority beside what describes the system."""
    operator = tmp_path_factory.mktemp("operator")
    authority = Authority(tmp_path_factory.mktemp("certificates"))
    copy(authority.certificate, operator / "ca.crt")
    with (
        started(SecureNats(tmp_path_factory.mktemp("nats"), authority.signs("nats"))) as nats,
        started(SecureS3(tmp_path_factory.mktemp("s3"), authority)) as s3,
    ):
        store = s3.settings(s3.ca_file)
        described = RunFile(
            gateway="http://127.0.0.1:1",
            nats=NatsPart(
                url=nats.settings().url, user=nats.user, password=nats.password, ca_file=Path("ca.crt")
            ),
            s3=S3Part(
                endpoint=store.endpoint,
                bucket="isthmus",
                access_key=s3.access_key,
                secret_key=s3.secret_key,
                ca_file=Path("ca.crt"),
            ),
            scp=ScpPart(ae_title="ISTHMUS", host="", port=0),
            cache=CachePart(max_bytes=1000),
            services={},
        )
        (operator / ELSEWHERE).write_text(described.model_dump_json())
        yield operator


async def test_the_commands_reach_servers_that_an_authority_of_ones_own_verifies(folder: Path) -> None:
    async with connected(folder, "test") as there:
        await there.blobs.ensure_bucket()
        assert there.bus.connected


def test_status_looks_at_the_same_ones(folder: Path) -> None:
    target = Target.find(folder, {})
    assert (target.nats.ca_file, target.s3.ca_file) == (folder / "ca.crt", folder / "ca.crt")


async def test_doctor_too(folder: Path) -> None:
    heard = await examined({}, folder, running=RunFile.read(folder))
    ended = {(check.subject, check.what): check.verdict for check in heard.checks}
    assert {ended["nats", "login"], ended["s3", "TLS"], ended["s3", "bucket"]} == {Verdict.OK}
