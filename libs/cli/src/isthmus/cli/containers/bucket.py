"""`isthmus bucket`: the bucket, and at MinIO a user for each service, with the policy of what it may do."""

import json
from pathlib import Path
from typing import Final

import urllib3
from minio import Minio, MinioAdmin
from minio.credentials import StaticProvider
from minio.error import MinioException
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from isthmus.cli.embedded.s3_rights import OWNER, policy
from isthmus.common.blobs.rights import SERVICES
from isthmus.common.errors import SettingsError, StoreUnavailable

_SECONDS: Final = 10.0
"""For an answer."""
_RETRIES: Final = urllib3.Retry(2, backoff_factor=0.2)


class _Credential(BaseModel):
    model_config = ConfigDict(frozen=True)

    access_key: str = Field(alias="accessKey")
    secret_key: str = Field(alias="secretKey", repr=False)


class _Identity(BaseModel):
    model_config = ConfigDict(frozen=True)

    name: str
    credentials: tuple[_Credential]


class _Identities(BaseModel):
    model_config = ConfigDict(frozen=True)

    identities: tuple[_Identity, ...]


def make_bucket(endpoint: str, keys: Path, bucket: str, *, minio: bool) -> None:
    """Make the bucket if it is not there; at MinIO, give each service its user and policy, as they are now.

    Args:
        endpoint: `host:port`, or a URL.
        keys: the file `s3.json` of `make_secrets`.
        bucket: its name.
        minio: whether it is MinIO; others read the file themselves.

    Raises:
        SettingsError: the file holds no keys.
        StoreUnavailable: S3 is away, or refuses.
    """
    known = _read(keys)
    scheme, _, host = endpoint.rpartition("://")
    owner, secure = known[OWNER], scheme == "https"
    connections = urllib3.PoolManager(timeout=_SECONDS, retries=_RETRIES)
    client = Minio(
        host,
        access_key=owner.access_key,
        secret_key=owner.secret_key,
        secure=secure,
        http_client=connections,
    )
    try:
        _make(client, bucket)
        if minio:
            provider = StaticProvider(owner.access_key, owner.secret_key)
            admin = MinioAdmin(endpoint=host, credentials=provider, secure=secure, http_client=connections)
            for name in SERVICES:
                _give_user(admin, name, known[name], bucket)
    except (MinioException, urllib3.exceptions.HTTPError) as error:
        raise StoreUnavailable(f"{host} cannot be prepared: {type(error).__name__}") from error


def _make(client: Minio, bucket: str) -> None:
    if not client.bucket_exists(bucket):
        client.make_bucket(bucket)


def _give_user(admin: MinioAdmin, name: str, credential: _Credential, bucket: str) -> None:
    admin.policy_add(name, policy=json.loads(policy(SERVICES[name], bucket)))
    admin.user_add(credential.access_key, credential.secret_key)
    admin.policy_set(name, user=credential.access_key)


def _read(path: Path) -> dict[str, _Credential]:
    try:
        read = _Identities.model_validate_json(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None
    except ValidationError:
        raise SettingsError(f"{path}: is no file of keys, as isthmus secrets makes it") from None
    known = {one.name: one.credentials[0] for one in read.identities}
    lacking = [name for name in (OWNER, *SERVICES) if name not in known]
    if lacking:
        raise SettingsError(f"{path}: has no key of {', '.join(lacking)}")
    return known
