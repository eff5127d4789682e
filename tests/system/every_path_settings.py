"""The settings of the system through which every path goes."""

import base64
import os

from isthmus.common.config.settings import S3
from tests.peers import Peer
from tests.system.blabbing import Blabbing
from tests.system.collector import Collector


def settings(
    pacs: Peer,
    mover: Peer,
    failing: Peer,
    refusing: Peer,
    worklist: Peer,
    blab: Blabbing,
    hook: Blabbing,
    bucket: S3,
    workstation: Peer,
    collector: Collector,
) -> str:
    """Give those after `[gateway]` and `[scp]`."""
    secret = base64.b64encode(os.urandom(32)).decode()
    return f"""
[telemetry]
otlp = "{collector.endpoint}"
log_level = "DEBUG"
[dicomweb]
store = "inbox"
ae_title = "ALL"
[arrivals]
quiet_seconds = 1
max_attempts = 1
[[arrivals.forward]]
to = ["marked", "failing"]
[[arrivals.webhooks]]
name = "hook"
url = "{hook.url}/hook"
secret = "{secret}"
[[scp.destinations]]
ae_title = "{workstation.ae_title}"
host = "{workstation.host}"
port = {workstation.port}
[[origins]]
name = "marked"
ae_title = "{pacs.ae_title}"
port = {pacs.port}
retrieve = ["c-get"]
[[origins]]
name = "mover"
ae_title = "{mover.ae_title}"
port = {mover.port}
retrieve = ["c-move"]
[[origins]]
name = "failing"
ae_title = "{failing.ae_title}"
port = {failing.port}
[[origins]]
name = "refusing"
ae_title = "{refusing.ae_title}"
port = {refusing.port}
[[origins]]
name = "worklist"
ae_title = "{worklist.ae_title}"
port = {worklist.port}
[[origins]]
name = "blab"
protocol = "dicomweb"
ae_title = "BLAB"
url = "{blab.url}/dicom"
[[origins]]
name = "inbox"
protocol = "inbox"
ae_title = "INBOX"
[[origins]]
name = "bucket"
protocol = "s3"
ae_title = "BUCKET"
refresh_seconds = 1
endpoint = "{bucket.endpoint}"
bucket = "{bucket.bucket}"
prefix = "marked"
access_key = "{bucket.access_key}"
secret_key = "{bucket.secret_key}"
"""
