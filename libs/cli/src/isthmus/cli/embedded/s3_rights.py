"""The rights of services in S3, as SeaweedFS and as MinIO want them written."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from isthmus.common.blobs.rights import SERVICES, BlobRights

OWNER: Final = "isthmus"
"""Whose the bucket is: who may do everything."""
_EVERYTHING: Final = ("Admin", "Read", "Write", "List", "Tagging")


def actions(rights: BlobRights, bucket: str) -> Sequence[str]:
    """Give the actions of an identity of SeaweedFS, each with the resources on which it is one.

    An action without a wildcard is one on all that a bucket holds: the `?` makes two mean the bucket alone.
    """
    own = (f"Rea?:{bucket}", f"Rea?:{bucket}/")
    named = (("Read", rights.reads), ("Write", rights.writes), ("List", rights.lists))
    return [*own, *(f"{action}:{bucket}/{prefix}/*" for action, prefixes in named for prefix in prefixes)]


def identities(keys: Mapping[str, tuple[str, str]], bucket: str) -> str:
    """Give the configuration of SeaweedFS: who there is, as JSON.

    Args:
        keys: of the owner and of each service, access key and secret key.
        bucket: its name.
    """
    users = [
        {
            "name": name,
            "credentials": [{"accessKey": access_key, "secretKey": secret_key}],
            "actions": [*(_EVERYTHING if name == OWNER else actions(SERVICES[name], bucket))],
        }
        for name, (access_key, secret_key) in keys.items()
    ]
    return json.dumps({"identities": users}, indent=2) + "\n"


def policy(rights: BlobRights, bucket: str) -> str:
    """Give the policy of a user of MinIO, as JSON.

    Of a blob that is not there MinIO tells only those who may list the bucket, where the prefix says nothing:
    who reads may do that.
    """
    statements = [
        _statement(["s3:GetBucketLocation", "s3:ListBucket"], [f"arn:aws:s3:::{bucket}"]),
        _statement(["s3:GetObject"], _objects(bucket, rights.reads)),
        _statement(
            ["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"],
            _objects(bucket, rights.writes),
        ),
    ]
    named = [statement for statement in statements if statement["Resource"]]
    return json.dumps({"Version": "2012-10-17", "Statement": named}, indent=2) + "\n"


def _objects(bucket: str, prefixes: Iterable[str]) -> list[str]:
    return [f"arn:aws:s3:::{bucket}/{prefix}/*" for prefix in prefixes]


def _statement(allowed: list[str], resources: list[str]) -> Mapping[str, str | list[str]]:
    return {"Effect": "Allow", "Action": allowed, "Resource": resources}
