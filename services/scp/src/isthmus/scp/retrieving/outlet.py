"""One instance over one association, in a transfer syntax that was accepted for it (PS3.4 Annex B)."""

from typing import BinaryIO

from isthmus.common.dicom.part10 import read_file_meta
from isthmus.common.dimse import Association, StoreResult
from isthmus.common.dimse.results import SubOperationOf
from isthmus.common.messages import BlobRef
from isthmus.common.threads import Threads
from isthmus.scp.retrieving.line import Line, Waiting


class Outlet:
    """Sends the instances of one request."""

    def __init__(self, line: Line, threads: Threads, sub_operation: SubOperationOf) -> None:
        self._line = line
        self._threads = threads
        self._sub_operation = sub_operation

    async def send(self, association: Association, waiting: Waiting) -> StoreResult:
        """Send an instance.

        Raises:
            OperationFailed: the peer takes no instances of this kind, or the UID fits no command.
            OriginError: the association failed.
            MalformedDataset: what is held is no DICOM file.
            StoreUnavailable: S3 does not give it.
        """
        data = await self._line.open(waiting)
        return await self._threads.run(_store, association, waiting.blob, data, self._sub_operation)


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
