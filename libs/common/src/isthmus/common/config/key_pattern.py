"""How the keys of a bucket name instances: `{study}/{series}/{instance}`, with what stands around them."""

import re
from dataclasses import dataclass, field
from typing import Final, Self

PLACEHOLDERS: Final = ("study", "series", "instance")
_FIELD: Final = re.compile(r"\{([^{}]*)\}")
_UID: Final = "[0-9A-Za-z._-]{1,128}"
_SUFFIX: Final = ".dcm"


@dataclass(frozen=True, slots=True)
class Place:
    """What a key says of the instance under it."""

    study: str
    series: str
    instance: str


@dataclass(frozen=True, slots=True)
class KeyPattern:
    """Makes keys of UIDs, and UIDs of keys.

    All keys of a study begin with the same characters (`study_prefix`), with which no other study's begin:
    a `/` stands between any two of the UIDs.
    """

    prefix: str
    """What all keys begin with; empty, or with a `/` at its end."""
    pattern: str
    _matches: re.Pattern[str] = field(compare=False, repr=False)

    @classmethod
    def of(cls, prefix: str, pattern: str) -> Self:
        """Read a pattern.

        Args:
            prefix: a folder of the bucket, with or without the `/` around it; empty for all of the bucket.
            pattern: what follows, with `{study}`, `{series}` and `{instance}` in this order.

        Raises:
            ValueError: it is none; says what it lacks.
        """
        names = tuple(_FIELD.findall(pattern))
        if names != PLACEHOLDERS:
            raise ValueError("must have {study}, {series} and {instance}, each once and in this order")
        texts = _FIELD.split(pattern)[::2]
        if not all("/" in between for between in texts[1:3]):
            raise ValueError("must have a / between {study}, {series} and {instance}")
        if any(brace in text for brace in "{}" for text in texts):
            raise ValueError("has a brace that is not of {study}, {series} or {instance}")
        folder = prefix.strip("/")
        folder = f"{folder}/" if folder else ""
        groups = [f"(?P<{name}>{_UID})" for name in PLACEHOLDERS]
        expression = "".join(
            re.escape(text) + group for text, group in zip(texts, [*groups, ""], strict=True)
        )
        return cls(folder, pattern, re.compile(re.escape(folder) + expression, re.ASCII))

    @property
    def root(self) -> str:
        """What all keys begin with."""
        return self.prefix + self.pattern.partition("{study}")[0]

    def key_of(self, place: Place) -> str:
        """Give the key of an instance."""
        named = self.pattern.format(study=place.study, series=place.series, instance=place.instance)
        return self.prefix + named

    def study_prefix(self, study: str) -> str:
        """Give what the keys of a study begin with, and no others."""
        before, _, behind = self.pattern.partition("{study}")
        return self.prefix + before + study + behind[: behind.index("/") + 1]

    def place_of(self, key: str) -> Place | None:
        """Tell what a key is about; None where it is not of this pattern.

        A `.dcm` at the end of the key belongs to no UID, also where the pattern does not name it.
        """
        if not self.pattern.endswith(_SUFFIX):
            key = key.removesuffix(_SUFFIX)
        found = self._matches.fullmatch(key)
        return None if found is None else Place(found["study"], found["series"], found["instance"])
