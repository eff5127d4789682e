"""One instance over one association, in a transfer syntax that was accepted for it (PS3.4 Annex B)."""

from typing import BinaryIO

from isthmus.common.blobs import BlobStore
from isthmus.common.derived.for_peers import ForPeers
from isthmus.common.dicom.part10 import read_file_meta
from isthmus.common.dimse import Association, StoreResult
from isthmus.common.dimse.results import SubOperationOf
from isthmus.common.errors import IsthmusError
from isthmus.common.messages import BlobRef
from isthmus.common.threads import Threads
from isthmus.scp.retrieving.line import Line, Waiting, open_blob


class Outlets:
    """What all requests send by."""

    def __init__(self, blobs: BlobStore, threads: Threads, for_peers: ForPeers) -> None:
        """Prepare; `threads` are those that send."""
        self.blobs = blobs
        self.threads = threads
        self.for_peers = for_peers


class Outlet:
    """Sends the instances of one request."""

    def __init__(self, outlets: Outlets, line: Line, sub_operation: SubOperationOf) -> None:
        self._outlets = outlets
        self._line = line
        self._sub_operation = sub_operation

    async def send(self, association: Association, waiting: Waiting) -> StoreResult:
        """Send an instance: as it is held, or, where the peer does not take that, transcoded.

        Raises:
            OperationFailed: the peer takes no instances of this kind, or the UID fits no command.
            OriginError: the association failed.
            PixelsUnreadable: it would have to be transcoded, and cannot be.
            MalformedDataset: what is held is no DICOM file.
            StoreUnavailable: S3 does not give it.
        """
        blob = waiting.blob
        accepted = {
            context.transfer_syntax_uid
            for context in association.accepted
            if context.abstract_syntax == blob.sop_class_uid
        }
        try:
            given = await self._outlets.for_peers.given(blob, accepted) if accepted else blob
        except IsthmusError:
            self._line.drop(waiting)
            raise
        if given is blob:
            data = await self._line.open(waiting)
        else:
            self._line.drop(waiting)
            data = await open_blob(self._outlets.blobs, given)
        return await self._outlets.threads.run(_store, association, given, data, self._sub_operation)


def _store(
    association: Association, blob: BlobRef, data: BinaryIO, sub_operation: SubOperationOf
) -> StoreResult:
    with data:
        data.seek(read_file_meta(data).dataset_offset)
        return association.store(
            data,
            sop_class_uid=blob.sop_class_uid,
            sop_instance_uid=blob.sop_instance_uid,
            transfer_syntax_uid=blob.transfer_syntax_uid,
            sub_operation=sub_operation,
        )
