"""What can go wrong with a picture, beside what can go wrong with pixels (`isthmus.common.pixels.errors`)."""


class RenderingError(Exception):
    """What was asked for cannot be drawn; it pickles, and its detail never holds patient data."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class OutsideImage(RenderingError):
    """The region holds nothing of the image."""


class UnusablePresentation(RenderingError):
    """The presentation state cannot be applied to the image."""
