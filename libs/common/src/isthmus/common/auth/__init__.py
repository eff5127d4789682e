"""Who asks, and what he may do: one set of rules for HTTP and DIMSE, and how a decision crosses the bus.

Nothing here knows the bus, or what the faces speak: how a credential comes, and an answer goes, is theirs.
"""

from isthmus.common.auth.grants import Grants, acting_as, current_principal, current_right
from isthmus.common.auth.policy import Permit, Policy
from isthmus.common.auth.principal import Kind, Principal, StudyLink
from isthmus.common.config.access import Right

__all__ = [
    "Grants",
    "Kind",
    "Permit",
    "Policy",
    "Principal",
    "Right",
    "StudyLink",
    "acting_as",
    "current_principal",
    "current_right",
]
