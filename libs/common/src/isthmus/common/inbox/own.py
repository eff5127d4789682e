"""What events of an inbox may name: the blobs that lie in it.

Readers of an inbox get the blobs that its events have named, and destinations do; modalities are told that we
keep them, and delete theirs. And several services may publish events. So none of them brings what an origin
holds out to those who may read an inbox, or passes one instance off as another.
"""

from isthmus.common.blobs.keys import inbox_prefix
from isthmus.common.messages.events import InstanceEvent, StudyEvent
from isthmus.common.telemetry import get_logger

log = get_logger(__name__)


def is_own(event: InstanceEvent | StudyEvent) -> bool:
    """Tell whether the blobs of an event are, in its inbox, of what it names; who forges one is logged."""
    if isinstance(event, InstanceEvent):
        keys = [event.blob.key]
        prefix = inbox_prefix(event.origin, event.study, event.series, event.instance)
    else:
        keys = [blob.key for blob in event.blobs or ()]
        prefix = inbox_prefix(event.origin, event.study)
    if all(key.startswith(prefix) for key in keys):
        return True
    log.error("an event names a blob of something else than itself", origin=event.origin)
    return False
