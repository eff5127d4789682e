"""What the end of a C-GET or C-MOVE comes to."""

from isthmus.common.dicom.statuses import OUT_OF_RESOURCES_SUB_OPERATIONS
from isthmus.common.dimse import Category, Operation, SubOperations, category, failure
from isthmus.common.errors import OperationFailed
from isthmus.common.retrieving.patience import InstancesFailed


def judge(result: SubOperations, operation: Operation, origin: str) -> None:
    """Raise what stands against it: a failure status, or the failed sub-operations of a success.

    Raises:
        OperationFailed: asking for something else may fare better.
    """
    kind = category(result.status)
    if kind is Category.CANCEL:
        # Not at our request: that raises OriginCancelled before it comes here.
        raise OperationFailed(
            f"{operation} was cancelled by the origin",
            origin=origin,
            status=result.status,
            operation=operation,
        )
    if not result.failed and kind is Category.FAILURE:
        raise failure(result.status, operation, origin)
    if result.failed:
        # Some origins say success though every sub-operation failed.
        status = result.status if kind is Category.FAILURE else OUT_OF_RESOURCES_SUB_OPERATIONS
        error = failure(status, operation, origin)
        raise InstancesFailed(error.detail, origin=origin, status=status, operation=operation)
