"""What can go wrong with pixels.

These cross from worker processes, so they pickle; they are no part of the tree of `isthmus.common.errors`, as
nothing here knows which instance it is about: who does, says `PixelsUnreadable` or `TooLarge`.

    PixelsError
      NoPixels              the header describes none, or what cannot be
      UnsupportedPixels     nobody here can read or write them in this form
      CorruptFrame          the bytes are none that the header describes, or damaged
      FrameTooLarge         decoded it would be larger than the limit
      ProcessFailed         the process that worked on it died
        ProcessTimedOut       it took too long, and was killed
"""


class PixelsError(Exception):
    """A failure with a detail that a person can read; it never holds patient data."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class NoPixels(PixelsError):
    """The header describes no pixels, or what cannot be."""


class UnsupportedPixels(PixelsError):
    """Nobody here can read or write pixels in this form."""


class CorruptFrame(PixelsError):
    """The bytes of a frame are not what the header describes, or damaged."""


class FrameTooLarge(PixelsError):
    """Decoded, the frame would be larger than the limit."""


class ProcessFailed(PixelsError):
    """The process that worked on it died."""


class ProcessTimedOut(ProcessFailed):
    """It took too long, and its process was killed."""
