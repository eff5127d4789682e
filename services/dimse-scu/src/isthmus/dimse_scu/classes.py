"""Which SOP classes a C-GET proposes: as the origin lists them, or by modality where it does not tell."""

from collections.abc import Iterable, Sequence

from isthmus.common.dimse import classes_of, for_get
from isthmus.common.retrieving.ask import Ask
from isthmus.common.retrieving.listing import Listed
from isthmus.dimse_scu.uids import can_be_proposed


def classes_in(ask: Ask, syntaxes: Sequence[str]) -> tuple[str, ...]:
    """Give the SOP classes that may come.

    Of a series that is not listed they are those of its modality; and those of the series after it, if one
    association with these transfer syntaxes can bring all: then it serves them too.
    """
    if ask.instances:
        return sop_classes(ask.instances)
    of_all = classes_of(ask.modalities)
    return of_all if len(for_get(of_all, syntaxes)) == 1 else classes_of(ask.modalities[:1])


def sop_classes(instances: Iterable[Listed]) -> tuple[str, ...]:
    """Give the SOP classes, guessed from the modality where the origin does not tell."""
    classes: dict[str, None] = {}
    for listed in instances:
        known = can_be_proposed(listed.sop_class_uid)
        names = (listed.sop_class_uid,) if known else classes_of((listed.modality,))
        classes.update(dict.fromkeys(names))
    return tuple(classes)


def tells_classes(modality: str) -> bool:
    """Tell whether SOP classes can be guessed from a modality; secondary captures are in any study."""
    return modality == "SC" or len(classes_of((modality,))) > len(classes_of(()))
