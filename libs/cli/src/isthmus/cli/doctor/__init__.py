"""`isthmus doctor`: what a new installation gets wrong, why, at which side, and what to change there.

`examination` says what is looked at, and in which order; a module for each kind of thing says how, and each
gives the first cause that it finds: what depends on it is not tried.
"""

from isthmus.cli.doctor.causes import Cause
from isthmus.cli.doctor.examination import examine
from isthmus.cli.doctor.findings import Check, Finding, Side, Verdict
from isthmus.cli.doctor.surroundings import Patience, Surroundings

__all__ = ["Cause", "Check", "Finding", "Patience", "Side", "Surroundings", "Verdict", "examine"]
