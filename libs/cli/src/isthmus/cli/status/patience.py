"""How long the parts have to answer: a look is over within seconds, whatever is away."""

from typing import Final

LOOK_SECONDS: Final = 4.0
"""For each part, from the beginning of a look; what has not been told by then is not known."""
CONNECT_SECONDS: Final = 2.5
"""Of these for a connection to NATS."""
ORIGIN_SECONDS: Final = 2.5
"""For origins to answer, after they were asked; a look waits no longer for one that is silent."""
