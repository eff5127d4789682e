"""C-GET: instances come back on the association that asks for them (PS3.4 C.4.3)."""

from collections.abc import Iterable, Sequence

from isthmus.common.dimse import STUDY_ROOT_GET, Association, AssociationPool, Operation, classes_of, for_get
from isthmus.common.errors import OriginError
from isthmus.dimse_scu.ask import Ask
from isthmus.dimse_scu.delivery import Delivery
from isthmus.dimse_scu.listing import Listed
from isthmus.dimse_scu.outcome import judge
from isthmus.dimse_scu.uids import can_be_proposed


class Get:
    """Pulls by C-GET."""

    def __init__(self, pool: AssociationPool, delivery: Delivery) -> None:
        self._pool = pool
        self._delivery = delivery
        self._association: Association | None = None

    def associations(self, instances: Sequence[Listed]) -> Iterable[Sequence[Listed]]:
        """Divide by SOP class: an association has room for 128 presentation contexts."""
        groups = for_get(_classes(instances))
        for group in groups:
            classes = {context.abstract_syntax for context in group}
            members = [listed for listed in instances if classes & set(_classes([listed]))]
            if members:
                yield members

    async def __call__(self, ask: Ask) -> None:
        """Ask, and wait until all that came is in S3."""
        (contexts, *_) = for_get(_classes(ask.instances))
        identifier = ask.identifier()

        def pull(association: Association) -> None:
            self._association = association
            try:
                result = association.get(STUDY_ROOT_GET, identifier, self._delivery.take)
            finally:
                self._association = None  # it is free for others, whom no C-CANCEL of ours may reach
            judge(result, Operation.C_GET, association.peer.origin)

        try:
            await self._pool.run(contexts, pull)
        except OriginError:
            await self._delivery.settle()
            raise
        await self._delivery.settle()

    def cancel(self) -> None:
        """Send C-CANCEL."""
        association = self._association
        if association is not None:
            association.cancel()


def _classes(instances: Iterable[Listed]) -> list[str]:
    """Give the SOP classes, guessed from the modality where the origin does not tell."""
    classes: dict[str, None] = {}
    for listed in instances:
        known = can_be_proposed(listed.sop_class_uid)
        names = (listed.sop_class_uid,) if known else classes_of((listed.modality,))
        classes.update(dict.fromkeys(names))
    return list(classes)
