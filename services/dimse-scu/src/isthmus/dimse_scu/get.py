"""C-GET: instances come back on the association that asks for them (PS3.4 C.4.3)."""

from collections.abc import Iterable, Sequence

from isthmus.common.config import RetrieveMethod
from isthmus.common.dicom.statuses import OUT_OF_RESOURCES, SUCCESS
from isthmus.common.dimse import (
    STUDY_ROOT_GET,
    Association,
    AssociationPool,
    Operation,
    ReceivedInstance,
    for_get,
)
from isthmus.common.errors import NoAcceptedContext
from isthmus.common.retrieving.ask import Ask
from isthmus.common.retrieving.delivery import Delivery
from isthmus.common.retrieving.listing import Listed
from isthmus.common.retrieving.wording import Wording
from isthmus.common.threads import Threads
from isthmus.dimse_scu.cancellation import Cancellation
from isthmus.dimse_scu.classes import classes_in, sop_classes, tells_classes
from isthmus.dimse_scu.identifier import retrieve_identifier
from isthmus.dimse_scu.judgement import judge


class Get:
    """Pulls by C-GET."""

    method = RetrieveMethod.C_GET

    def __init__(
        self,
        pool: AssociationPool,
        threads: Threads,
        delivery: Delivery,
        cancellation: Cancellation,
        syntaxes: Sequence[str],
        wording: Wording,
        *,
        last_resort: bool = False,
    ) -> None:
        """Prepare.

        Args:
            pool: of associations with the origin.
            threads: where operations run on an association that the pool has not used before.
            delivery: takes what comes.
            cancellation: stops what runs.
            syntaxes: the transfer syntaxes to offer.
            wording: in which words a C-GET may ask.
            last_resort: whether these and no others shall be offered, on associations of their own.
        """
        self._pool = pool
        self._threads = threads
        self._delivery = delivery
        self._cancellation = cancellation
        self._syntaxes = tuple(syntaxes)
        self.wording = wording
        self.last_resort = last_resort

    def asks_unlisted(self, modality: str) -> bool:
        """Tell whether there is something to propose for a modality."""
        return tells_classes(modality)

    def associations(self, instances: Sequence[Listed]) -> Iterable[Sequence[Listed]]:
        """Divide by SOP class: an association has room for 128 presentation contexts."""
        for group in for_get(sop_classes(instances), self._syntaxes):
            classes = {context.abstract_syntax for context in group}
            members = [listed for listed in instances if classes & set(sop_classes([listed]))]
            if members:
                yield members

    async def __call__(self, ask: Ask, *, priority: int = 0) -> int:
        """Ask, and wait until all has come; it may still be on its way to S3."""
        groups = for_get(classes_in(ask, self._syntaxes), self._syntaxes)
        if not groups:
            return 0
        contexts = groups[0]
        identifier = retrieve_identifier(ask)
        storage = {context.abstract_syntax for context in contexts} - {STUDY_ROOT_GET}

        def pull(association: Association) -> int:
            came = 0

            def take(instance: ReceivedInstance) -> int:
                nonlocal came
                came += 1
                taken = self._delivery.take_dataset(instance.data, instance.transfer_syntax_uid)
                return SUCCESS if taken else OUT_OF_RESOURCES

            if not any(accepted.abstract_syntax in storage for accepted in association.accepted):
                # It could send nothing, and would say so in one of many ways.
                raise NoAcceptedContext(
                    "The origin accepts no presentation context for what it should send",
                    origin=association.peer.origin,
                )
            with self._cancellation.of(association):
                result = association.get(STUDY_ROOT_GET, identifier, take)
            judge(result, Operation.C_GET, association.peer.origin)
            return came

        with self.wording.learning(ask):
            if self.last_resort:
                async with self._pool.lease(contexts, fresh=True, priority=priority) as association:
                    return await self._threads.run(pull, association)
            return await self._pool.run(contexts, pull, priority=priority)
