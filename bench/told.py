"""What each process of those who are compared does: what standard input says."""

import json
import sys
from collections.abc import Callable


def answer(work: Callable[..., object], *, tune: Callable[[], None] | None = None) -> None:
    """Work with the JSON of standard input as arguments, and write the outcome.

    Args:
        work: what is measured.
        tune: done before where standard input says `tuned`, which it does or does not for each who has this.
    """
    wanted = json.load(sys.stdin)
    if tune is not None and wanted.pop("tuned"):
        tune()
    json.dump(work(**wanted), sys.stdout)
    sys.stdout.flush()
