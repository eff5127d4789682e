"""The header of an instance, as one of its frames sees it (PS3.3 C.7.6.16)."""

from dataclasses import dataclass

from pydicom.dataset import Dataset

from isthmus.wado.pictures.rendering.values import items


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """What is said for the whole instance, and what for one frame alone."""

    ds: Dataset
    number: int
    """Of the frame, counted from 1."""

    def macro(self, keyword: str) -> Dataset | None:
        """Give a functional group of the frame, or else the one that all frames share.

        Args:
            keyword: Of the macro's sequence, such as `FrameVOILUTSequence`.
        """
        frames = items(self.ds, "PerFrameFunctionalGroupsSequence")
        groups = (
            *frames[self.number - 1 : self.number],
            *items(self.ds, "SharedFunctionalGroupsSequence")[:1],
        )
        for group in groups:
            for item in items(group, keyword)[:1]:
                return item
        return None

    def source(self, macro: str, *keywords: str) -> Dataset:
        """Give the functional group where it has any of the attributes, the whole instance's header else."""
        group = self.macro(macro)
        if group is not None and any(keyword in group for keyword in keywords):
            return group
        return self.ds
