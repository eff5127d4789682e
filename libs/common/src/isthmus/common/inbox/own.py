"""What events of an inbox may name: the blobs that lie in it.

Readers of an inbox get the blobs that its events have named, and destinations do; and several services may
publish events. So none of them brings what an origin holds out to those who may read an inbox.
"""

from isthmus.common.blobs.keys import inbox_prefix
from isthmus.common.messages.events import InstanceEvent, StudyEvent
from isthmus.common.telemetry import get_logger

log = get_logger(__name__)


def is_own(event: InstanceEvent | StudyEvent) -> bool:
    """Tell whether all blobs that an event names are of its study, in its inbox; who forges one is logged."""
    named = [event.blob] if isinstance(event, InstanceEvent) else event.blobs or ()
    prefix = inbox_prefix(event.origin, event.study)
    if all(blob.key.startswith(prefix) for blob in named):
        return True
    log.error("an event names a blob that is not of its study in the inbox", origin=event.origin)
    return False
