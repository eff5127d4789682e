"""scp as a process of its own."""

import json

from isthmus.common.config.settings import S3, Nats
from tests.scp.conftest import INBOX


def environment(nats: Nats, s3: S3, inbox: str, port: int) -> dict[str, str]:
    """The settings of one that listens on this port and has one inbox."""
    return {
        "ISTHMUS_HTTP__LISTEN": "127.0.0.1:0",
        "ISTHMUS_SCP__LISTEN": f"127.0.0.1:{port}",
        "ISTHMUS_NATS__URL": nats.url,
        "ISTHMUS_NATS__USER": nats.user,
        "ISTHMUS_NATS__PASSWORD": nats.password,
        "ISTHMUS_S3__ENDPOINT": s3.endpoint,
        "ISTHMUS_S3__BUCKET": s3.bucket,
        "ISTHMUS_S3__ACCESS_KEY": s3.access_key,
        "ISTHMUS_S3__SECRET_KEY": s3.secret_key,
        "ISTHMUS_ORIGINS": json.dumps([{"name": inbox, "protocol": "inbox", "ae_title": INBOX}]),
    }
