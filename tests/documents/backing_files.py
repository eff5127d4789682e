"""What NATS, MinIO and SeaweedFS are configured with: `make docs` writes what the services may do."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from isthmus.cli.embedded.nats_conf import shipped
from isthmus.cli.embedded.s3_rights import OWNER, identities, policy
from isthmus.common.blobs.rights import SERVICES

COMPOSE: Final = Path(__file__).parents[2] / "compose"
CHART: Final = COMPOSE.parent / "deploy" / "helm" / "isthmus"
BUCKET: Final = "isthmus"


def files() -> Mapping[Path, str]:
    """Give each file, with what is to be in it."""
    policies = {
        COMPOSE / "minio" / f"{name}.json": policy(rights, BUCKET) for name, rights in SERVICES.items()
    }
    return {
        COMPOSE / "nats" / "nats.conf": shipped(),
        CHART / "files" / "s3-actions.json": _actions(),
        **policies,
    }


def _actions() -> str:
    """Give of each identity of SeaweedFS what it may do; the chart puts the keys to it."""
    without_keys = dict.fromkeys((OWNER, *SERVICES), ("", ""))
    written = json.loads(identities(without_keys, BUCKET))["identities"]
    return json.dumps({one["name"]: one["actions"] for one in written}, indent=2) + "\n"


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text)
        sys.stderr.write(f"wrote {path.name}\n")
