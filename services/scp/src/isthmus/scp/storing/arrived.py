"""An instance as it came by C-STORE, and which it is (PS3.7 9.1.1)."""

import asyncio
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

from isthmus.common.blobs import digest_of, size_of
from isthmus.common.dicom.json_values import DicomJson
from isthmus.common.dicom.part10 import Identity, check_ending, file_header, identify
from isthmus.common.dicom.part10.patient import patient_id
from isthmus.common.dicom.raw_bytes import RawBytes
from isthmus.common.dicom.summary_attributes import summary_attributes
from isthmus.common.messages import BlobRef
from isthmus.scp.sender import Sender

LONGEST_UID: Final = 64
"""PS3.5 9.1: where a command is cut off that holds a longer one."""


@dataclass(frozen=True, slots=True)
class Command:
    """What a C-STORE-RQ says of its data set (PS3.7 9.3.1.1)."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    """Of its presentation context."""

    def mismatch(self, identity: Identity) -> str | None:
        """Name what the data set has otherwise; None where they agree.

        A UID that is too long is cut in commands by some, and then is the beginning of the data set's.
        """
        if self.sop_class_uid != identity.sop_class_uid:
            return "The data set has another SOP Class UID than the command"
        whole, told = identity.sop_instance_uid, self.sop_instance_uid
        if told != whole and not (len(told) >= LONGEST_UID and whole.startswith(told)):
            return "The data set has another SOP Instance UID than the command"
        return None


@dataclass(frozen=True, slots=True)
class Description:
    """What takes its time to find out of an instance."""

    digest: str
    """SHA-256 of the Part 10 file, in hex."""
    attributes: DicomJson
    """For searches; empty where nobody will search here."""


class Arrived:
    """An instance as it came, and which it is."""

    def __init__(self, sender: Sender, data: RawBytes, command: Command) -> None:
        """Find out which it is: by its data set, for the command may cut UIDs.

        Raises:
            MalformedDataset: it is no data set, or lacks a UID.
        """
        self._head = data.head()
        self._is_searched = sender.inbox is not None
        self._must_be_whole = sender.origin is not None
        self._description: Future[Description] = Future()
        self.command: Final = command
        self.identity: Final = identify(self._head, command.transfer_syntax_uid)
        header = file_header(
            sop_class_uid=self.identity.sop_class_uid,
            sop_instance_uid=self.identity.sop_instance_uid,
            transfer_syntax_uid=command.transfer_syntax_uid,
            # The same instance from two senders is to be the same bytes; the event says who sent it.
            source_ae_title=None if self._is_searched else sender.calling_ae_title,
        )
        self.file: Final = (header, data)
        """The pieces of the Part 10 file: its header, and the data set as it came."""
        self.size: Final = size_of(self.file)
        """Of the file, in bytes."""

    @property
    def patient_id(self) -> str:
        """The Patient ID (0010,0020); empty where there is none."""
        return patient_id(self._head, self.command.transfer_syntax_uid)

    def ref(self, bucket: str, key: str) -> BlobRef:
        """Refer to it as a blob."""
        return BlobRef(
            bucket=bucket,
            key=key,
            size=self.size,
            study_instance_uid=self.identity.study_instance_uid,
            series_instance_uid=self.identity.series_instance_uid,
            sop_instance_uid=self.identity.sop_instance_uid,
            sop_class_uid=self.identity.sop_class_uid,
            transfer_syntax_uid=self.command.transfer_syntax_uid,
        )

    def describe(self) -> None:
        """Find out what else there is to know, in a thread, while the loop looks what is there already."""
        if not self._description.set_running_or_notify_cancel():
            return  # nobody wants to know any more
        try:
            self._description.set_result(Description(digest_of(self.file), self._attributes()))
        except Exception as error:  # noqa: BLE001 - of whoever waits for it
            self._description.set_exception(error)

    def _attributes(self) -> DicomJson:
        _, data = self.file
        syntax = self.command.transfer_syntax_uid
        if self._must_be_whole:
            check_ending(self._head, data.size, syntax)
        return summary_attributes(self._head, syntax) if self._is_searched else {}

    async def described(self) -> Description:
        """Wait for what `describe` finds out.

        Raises:
            MalformedDataset: it goes into an inbox or to an origin, and breaks off.
        """
        return await asyncio.wrap_future(self._description)
