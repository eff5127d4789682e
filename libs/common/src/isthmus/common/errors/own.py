"""What is wrong with ourselves: our settings, our messages, a part of ours that is away."""

from isthmus.common.errors.base import IsthmusError


class SettingsError(IsthmusError):
    """The settings are wrong."""

    title = "The settings are wrong"


class ContractError(IsthmusError):
    """A message on the bus is not what the contract says."""

    title = "A message on the bus could not be understood"


class UnavailableError(IsthmusError):
    """One of our own parts is away; it is worth trying again."""

    title = "A part of the gateway is away"


class BusUnavailable(UnavailableError):
    """NATS does not answer."""

    title = "The bus is away"


class StoreUnavailable(UnavailableError):
    """S3 does not answer, or takes nothing."""

    title = "The blob store is away"

    def __init__(self, detail: str, *, code: str = "") -> None:
        super().__init__(detail)
        self.code = code
        """S3's own word for it, such as `SignatureDoesNotMatch`, where it answered with one."""


class BlobMissing(StoreUnavailable):
    """S3 holds no blob of this key, though something names it: deleted meanwhile; fetching again helps."""

    title = "A blob is no longer there"


class BlobRefused(StoreUnavailable):
    """S3 holds the blob, but gives it to nobody like us, or not until it is brought back from an archive."""

    title = "A blob is not given"


class NoWorker(UnavailableError):
    """Nobody on the bus serves this origin."""

    title = "No worker serves the origin"


class IdentityProviderAway(UnavailableError):
    """The identity provider does not answer, so that a token that is new cannot be judged."""

    title = "The identity provider is away"
