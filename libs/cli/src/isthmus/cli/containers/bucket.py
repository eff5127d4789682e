"""`isthmus bucket`: the bucket, and at MinIO a user for each service, with the policy of what it may do."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import urllib3
from minio import MinioAdmin
from minio.credentials import StaticProvider
from minio.error import MinioAdminException, MinioException
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from isthmus.cli.embedded.s3_rights import OWNER, policy
from isthmus.common.blobs import BlobStore
from isthmus.common.blobs.refusal import judge
from isthmus.common.blobs.rights import SERVICES
from isthmus.common.config.files import certificates_file
from isthmus.common.config.settings import S3
from isthmus.common.errors import SettingsError, StoreUnavailable
from isthmus.common.threads import Threads

_SECONDS: Final = 10.0
"""For an answer."""
_RETRIES: Final = urllib3.Retry(2, backoff_factor=0.2)
_REFUSAL: Final = re.compile(r'(?:Status: |"Code": ?")(\w+)')
"""What may be told of what MinIO says: the rest quotes what it was sent."""


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


async def make_bucket(s3: S3, keys: Path, *, minio: bool) -> None:
    """Make the bucket if it is not there; at MinIO, give each service its user and policy, as they are now.

    Args:
        s3: where it is, and its name; whose it is says the file of keys.
        keys: the file `s3.json` of `make_secrets`.
        minio: whether it is MinIO; others read the file themselves.

    Raises:
        SettingsError: the file holds no keys, or that of certificates cannot be used.
        StoreUnavailable: S3 is away, or refuses.
    """
    known = _read(keys)
    owner, host = known[OWNER], s3.endpoint.rpartition("://")[2]
    threads = Threads("s3", 1)
    blobs = BlobStore(
        s3.endpoint,
        owner.access_key,
        owner.secret_key,
        s3.bucket,
        threads=threads,
        deadline=_SECONDS,
        ca_file=s3.ca_file,
        name=f"S3 at {host}:",
    )
    try:
        await blobs.ensure_bucket()
        if minio:
            await threads.run(_give_users, s3, host, known)
    finally:
        blobs.close()
        threads.close()


def _give_users(s3: S3, host: str, known: Mapping[str, _Credential]) -> None:
    connections = urllib3.PoolManager(
        timeout=_SECONDS,
        retries=_RETRIES,
        cert_reqs="CERT_REQUIRED",
        ca_certs=str(certificates_file(s3.ca_file)),
    )
    provider = StaticProvider(known[OWNER].access_key, known[OWNER].secret_key)
    secure = s3.endpoint.startswith("https://")
    admin = MinioAdmin(endpoint=host, credentials=provider, secure=secure, http_client=connections)
    try:
        for name in SERVICES:
            _give_user(admin, name, known[name], s3.bucket)
    except MinioAdminException as error:
        refusal = " ".join(found.group(1) for found in _REFUSAL.finditer(str(error)))
        raise StoreUnavailable(f"S3 at {host}: MinIO takes no users and policies: {refusal}") from error
    except (MinioException, urllib3.exceptions.HTTPError) as error:
        reason, _ = judge(f"S3 at {host}: users", error)
        raise reason from error


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
