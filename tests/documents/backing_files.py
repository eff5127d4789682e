"""What containers of NATS and MinIO are configured with: `make docs` writes what the services may do."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from isthmus.cli.embedded.nats_conf import shipped
from isthmus.cli.embedded.s3_rights import policy
from isthmus.common.blobs.rights import SERVICES

COMPOSE: Final = Path(__file__).parents[2] / "compose"
BUCKET: Final = "isthmus"


def files() -> Mapping[Path, str]:
    """Give each file, with what is to be in it."""
    policies = {
        COMPOSE / "minio" / f"{name}.json": policy(rights, BUCKET) for name, rights in SERVICES.items()
    }
    return {COMPOSE / "nats" / "nats.conf": shipped(), **policies}


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text)
        sys.stderr.write(f"wrote {path.name}\n")
