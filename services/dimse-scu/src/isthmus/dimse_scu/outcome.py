"""What the end of a C-GET or C-MOVE comes to."""

from isthmus.common.dimse import Category, Operation, SubOperations, category, failure


def judge(result: SubOperations, operation: Operation, origin: str) -> None:
    """Raise what stands against it: a failure status, or the failed sub-operations of a success.

    Raises:
        OperationFailed: asking for something else may fare better.
    """
    if category(result.status) in (Category.FAILURE, Category.CANCEL):
        raise failure(result.status, operation, origin)
    if result.failed:
        # Some origins say success though every sub-operation failed.
        raise failure(0xA702, operation, origin)
