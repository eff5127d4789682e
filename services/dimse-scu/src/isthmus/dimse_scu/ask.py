"""What one C-GET or C-MOVE asks for."""

from dataclasses import dataclass

from pydicom import Dataset

from isthmus.common.dicom.levels import Level
from isthmus.common.messages import Retrieve
from isthmus.dimse_scu.identifier import retrieve_identifier
from isthmus.dimse_scu.listing import Listed


@dataclass(frozen=True, slots=True)
class Ask:
    """Instances, by the study or series that they are, or one by one."""

    level: Level
    wanted: Retrieve
    instances: tuple[Listed, ...]
    """At IMAGE level all of one series."""
    again: bool = False
    """Whether the same was asked for before."""

    def identifier(self) -> Dataset:
        """Write it as Identifier (PS3.4 C.4.2.1.4)."""
        series = self.wanted.series
        if self.level is Level.IMAGE:
            series = self.instances[0].series_instance_uid
        uids = (listed.sop_instance_uid for listed in self.instances)
        return retrieve_identifier(self.level, self.wanted.study, series, uids)
