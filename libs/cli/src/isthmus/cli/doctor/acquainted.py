"""Whether a PACS has an entry for us, where C-MOVE does not tell: Orthanc answers C000 with one and without.

Storage Commitment (PS3.4 J) tells it: a PACS that is to report back must know where we are. It is asked about
an instance that nobody has, so that nothing comes of it but a report that it is not there.
"""

import ssl
import time
from typing import Final

from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage, generate_uid
from pynetdicom import AE
from pynetdicom.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance

from isthmus.cli.doctor.pacs import Pacs
from isthmus.common.config.certificates import client_context
from isthmus.common.dicom.statuses import SUCCESS
from isthmus.common.dimse import install

_REQUEST: Final = 1
"""Action Type ID of Request Storage Commitment (PS3.4 J.3.2)."""


def is_acquainted(pacs: Pacs) -> bool | None:
    """Tell whether a PACS knows us, by a request that it lets through or not; None where it says neither.

    Blocks.

    Raises:
        ValueError: a file of TLS cannot be used.
    """
    install()  # or pynetdicom would log what it sends
    entity = AE(pacs.us.ae_title)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = pacs.patience.connect
    entity.connection_timeout = pacs.patience.connect
    entity.add_requested_context(StorageCommitmentPushModel)
    association = entity.associate(
        pacs.peer.host, pacs.peer.port, ae_title=pacs.peer.called_ae_title, tls_args=_tls(pacs)
    )
    if not association.is_established:
        return None
    began = time.monotonic()
    try:
        status, _ = association.send_n_action(
            _nothing(), _REQUEST, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        )
        if "Status" in status:  # of a failure it does not say whether it is about us
            return True if status.Status == SUCCESS else None
        was_silent = time.monotonic() - began >= pacs.patience.connect
        return None if was_silent else False  # it broke off, as it does with whom it does not know
    finally:
        if association.is_established:
            association.release()


def _nothing() -> Dataset:
    """Ask about an instance that nobody has."""
    item = Dataset()
    item.ReferencedSOPClassUID = SecondaryCaptureImageStorage
    item.ReferencedSOPInstanceUID = generate_uid()
    ds = Dataset()
    ds.TransactionUID = generate_uid()
    ds.ReferencedSOPSequence = [item]
    return ds


def _tls(pacs: Pacs) -> tuple[ssl.SSLContext, str] | None:
    if pacs.origin.tls is None:
        return None
    return client_context(pacs.origin.tls), pacs.origin.tls.server_name or pacs.peer.host
