"""C-GET of one instance, which is thrown away: whether the PACS does it."""

from collections.abc import Callable

from pydicom.dataset import Dataset

from isthmus.cli.doctor import words
from isthmus.cli.doctor.causes import Cause
from isthmus.cli.doctor.findings import Side, Unclear, Wrong
from isthmus.cli.doctor.pacs import Pacs
from isthmus.cli.doctor.queries import Instance, on_association, silent
from isthmus.common.config import Quirk
from isthmus.common.dicom.statuses import DATA_SET_MISMATCH, NOT_AUTHORIZED, SUCCESS, meaning
from isthmus.common.dimse import STUDY_ROOT_GET, Association, ReceivedInstance, SubOperations, for_get
from isthmus.common.errors import AssociationAborted, NoAcceptedContext, OriginError, OriginTimeout


def by_level(pacs: Pacs, instance: Instance, retrieve: Callable[[Dataset], SubOperations]) -> SubOperations:
    """Ask for an instance by its UID, or, where that is not supported (docs/quirks.md), for its series."""
    if Quirk.NO_IMAGE_LEVEL_RETRIEVE not in pacs.origin.quirks:
        result = retrieve(instance.identifier(whole_series=False))
        if result.status != DATA_SET_MISMATCH:
            return result
    return retrieve(instance.identifier(whole_series=True))


async def get_one(pacs: Pacs, instance: Instance) -> str:
    """Have an instance sent; gives what came.

    Raises:
        Wrong: it does not come.
    """
    received = 0

    def take(_: ReceivedInstance) -> int:
        nonlocal received
        received += 1
        return SUCCESS

    def get(association: Association) -> SubOperations:
        return by_level(pacs, instance, lambda wanted: association.get(STUDY_ROOT_GET, wanted, take))

    (contexts, *_) = for_get(instance.sop_class_uids)
    try:
        result = await on_association(pacs, contexts, get)
    except AssociationAborted:
        raise _forbidden(pacs, "breaks off at C-GET") from None
    except NoAcceptedContext:
        raise not_offered(pacs) from None
    except OriginTimeout:
        raise silent("C-GET", pacs) from None
    except OriginError as error:
        raise Unclear(error.detail) from None
    if received:
        return f"{received} {'instance' if received == 1 else 'instances'} came, and nothing of it is kept"
    if result.status == NOT_AUTHORIZED:
        raise _forbidden(pacs, "refuses C-GET (0124, not authorized)")
    if not instance.is_class_known:
        raise Unclear(
            "it sends nothing, and does not tell of which SOP class it is: it may be none we asked for"
        )
    raise Wrong(
        Cause.GET_FAILS,
        Side.THEIRS,
        f"the PACS at {pacs.address} ends C-GET with {result.status:04X} ({meaning(result.status)}), and"
        " sends nothing of an instance that it lists",
        "see in its log why it sends nothing: its storage may be away, or the instance be on a tape",
        _other_way(pacs, "c-get", "c-move"),
    )


def not_offered(pacs: Pacs) -> Wrong:
    """Say that there is no C-GET."""
    return Wrong(
        Cause.GET_NOT_OFFERED,
        Side.THEIRS,
        f"the PACS at {pacs.address} does not offer C-GET, which {pacs.place}.retrieve allows",
        *words.offered(pacs.us, "Study Root Query/Retrieve - GET"),
        _other_way(pacs, "c-get", "c-move"),
    )


def _forbidden(pacs: Pacs, how: str) -> Wrong:
    return Wrong(
        Cause.GET_FORBIDDEN,
        Side.THEIRS,
        f"the PACS at {pacs.address} {how}: it does not let {pacs.us.ae_title} retrieve in this way",
        *words.allowed(pacs.us, "Get"),
        _other_way(pacs, "c-get", "c-move"),
    )


def _other_way(pacs: Pacs, without: str, other: str) -> str:
    return f'or here, to do without {without.upper()}: {pacs.place}.retrieve = ["{other}"]'


def without_move(pacs: Pacs) -> str:
    """Say how C-MOVE is not needed."""
    return _other_way(pacs, "c-move", "c-get")
