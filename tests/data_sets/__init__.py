"""What the tests send and expect: the files that come with pydicom, and series made for the purpose."""

from tests.data_sets.corpus import distinct_files, pydicom_files
from tests.data_sets.part10 import (
    Identity,
    Listing,
    identity,
    listing,
    raw_dataset,
    raw_datasets,
    transfer_syntax,
    with_sop_instance_uid,
)
from tests.data_sets.synthetic import make_series

__all__ = [
    "Identity",
    "Listing",
    "distinct_files",
    "identity",
    "listing",
    "make_series",
    "pydicom_files",
    "raw_dataset",
    "raw_datasets",
    "transfer_syntax",
    "with_sop_instance_uid",
]
