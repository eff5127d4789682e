"""`isthmus secrets`: all secrets of a system in containers, each in the folder of who reads it."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from isthmus.cli.containers.certificate import CERTIFICATE, keep_certificate, keep_parts_of_s3
from isthmus.cli.containers.secret_files import (
    GATEWAY,
    OF_EACH,
    OPERATOR,
    SHARED,
    Kind,
    keep_own,
    keep_shared,
    write_if_changed,
)
from isthmus.cli.embedded.nats_conf import passwords
from isthmus.cli.embedded.s3_rights import identities
from isthmus.cli.run_file import (
    ELSEWHERE,
    CachePart,
    NatsPart,
    OriginPart,
    ProcessPart,
    RunFile,
    S3Part,
    ScpPart,
)
from isthmus.common.bus.accounts import OPERATOR as OPERATOR_USER
from isthmus.common.bus.accounts import SERVICES
from isthmus.common.config import ListenAddress, Settings
from isthmus.common.config.settings import S3, Nats
from isthmus.common.errors import SettingsError

INSIDE: Final = "https://gateway:8443"
"""Where the gateway is for other containers."""
SCP: Final = "scp"
"""The container of the DIMSE face."""
HTTP_PORT: Final = 8000
"""Where each service has `/readyz` and `/metrics`, under its name, for all its replicas."""


def make_secrets(
    folder: Path,
    settings: Settings,
    *,
    host: str,
    given: Path | None = None,
    renew: Collection[Kind] = (),
) -> None:
    """Make what is not there; what is there stays as it is.

    Args:
        folder: in which each reader has a folder.
        settings: of the system, for what the commands are told of it.
        host: the name or IP address by which clients reach the gateway, for its certificate.
        given: a folder in which a certificate of the gateway may lie, with its key.
        renew: of these, others are made.

    Raises:
        SettingsError: a file cannot be read or written, or holds what it should not.
    """
    shared = {kind: keep_shared(folder, kind, renew=kind in renew) for kind in SHARED}
    nats, s3 = (keep_own(folder, kind, renew=kind in renew) for kind in OF_EACH)
    write_if_changed(
        [
            (folder / "nats" / "passwords.conf", passwords(_by_user(nats))),
            (folder / "s3" / "s3.json", identities(_keys(s3), settings.s3.bucket)),
            (folder / "s3" / "minio.env", _root_of_minio(s3[OPERATOR])),
        ]
    )
    keep_parts_of_s3(folder / "s3")
    certificate = keep_certificate(folder / GATEWAY, host, given, renew=Kind.CERTIFICATE in renew)
    found = _run_file(settings, shared, nats[OPERATOR], s3[OPERATOR])
    write_if_changed(
        [
            (folder / OPERATOR / CERTIFICATE, certificate),
            (folder / OPERATOR / ELSEWHERE, found.model_dump_json(indent=2) + "\n"),
        ]
    )


def _by_user(of_readers: Mapping[str, str]) -> Mapping[str, str]:
    """Call the operator as NATS and S3 do."""
    return {OPERATOR_USER if name == OPERATOR else name: secret for name, secret in of_readers.items()}


def _keys(s3: Mapping[str, str]) -> Mapping[str, tuple[str, str]]:
    """Give of each user of S3 the access key, which is its name here, and the secret key."""
    return {name: (name, secret) for name, secret in _by_user(s3).items()}


def _root_of_minio(secret: str) -> str:
    return f'MINIO_ROOT_USER="{OPERATOR_USER}"\nMINIO_ROOT_PASSWORD="{secret}"\n'


def _run_file(settings: Settings, shared: Mapping[Kind, str], nats: str, s3: str) -> RunFile:
    """Describe the system to the commands, as `isthmus up` does; settings say who they are elsewhere."""
    return RunFile(
        gateway=INSIDE,
        nats=NatsPart(
            url=settings.nats.url,
            user=settings.nats.user or OPERATOR_USER,
            password=_given(settings.nats, "nats.password_file") or nats,
            ca_file=settings.nats.ca_file,
            certificate_file=settings.nats.certificate_file,
            key_file=settings.nats.key_file,
        ),
        s3=S3Part(
            endpoint=settings.s3.endpoint,
            bucket=settings.s3.bucket,
            access_key=settings.s3.access_key or OPERATOR_USER,
            secret_key=_given(settings.s3, "s3.secret_key_file") or s3,
            ca_file=settings.s3.ca_file,
        ),
        scp=_scp(settings),
        cache=CachePart(max_bytes=settings.cache.max_bytes),
        services={},
        processes=[ProcessPart(name=name, address=f"{name}:{HTTP_PORT}") for name in SERVICES],
        origins=[OriginPart(name=origin.name, protocol=origin.protocol.value) for origin in settings.origins],
        key=shared[Kind.OPERATOR_KEY],
        metrics_key=shared[Kind.METRICS_KEY],
        link_key=shared[Kind.LINK_KEY],
        signing_key=shared[Kind.SIGNING_KEY],
        clients=settings.gateway.base_url,
        certificate=Path(CERTIFICATE),
    )


def _given(part: Nats | S3, key: str) -> str:
    try:
        return part.secret
    except ValueError as error:
        raise SettingsError(f"{key}: {error}") from None


def _scp(settings: Settings) -> ScpPart:
    tls = None if settings.scp.tls is None else ListenAddress(settings.scp.tls.listen).port
    in_clear = ListenAddress(settings.scp.listen).port if settings.scp.listen else None
    return ScpPart(ae_title=settings.scp.ae_title, host=SCP, port=in_clear or tls or 0, tls_port=tls)
