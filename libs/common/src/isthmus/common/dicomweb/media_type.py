"""Media types as headers write them (RFC 9110 8.3.1), with the liberties that DICOM clients take."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

from isthmus.common.errors import InvalidParameter

# A token of RFC 9110 5.6.2.
_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
# A lone "*" is no media range, but java.net.HttpURLConnection sends it by default.
_NAME: Final = re.compile(rf"{_WORD}/{_WORD}|\*")
# Unquoted values run to the next separator: "type=application/dicom" is not in the grammar, but frequent.
_PARAMETER: Final = re.compile(
    rf'[ \t]*;[ \t]*(?:({_WORD})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]+)))?'
)
_SEPARATOR: Final = re.compile(r"[ \t]*(?:,[ \t,]*|$)")
_QUOTED_PAIR: Final = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type, or in Accept a range of them, with its parameters."""

    name: str
    """Type and subtype in lower case: "application/dicom"."""
    parameters: tuple[tuple[str, str], ...] = ()
    """Names in lower case, values unquoted."""

    @classmethod
    def parse(cls, value: str, header: str = "Content-Type") -> Self:
        """Read the value of a header that holds one media type.

        Raises:
            InvalidParameter: It is none, or more than one; names the header.
        """
        found = list(cls.parse_list(value, header))
        if len(found) != 1:
            raise InvalidParameter(header, "exactly one media type is needed")
        return found[0]

    @classmethod
    def parse_list(cls, value: str, header: str = "Accept") -> Iterator[Self]:
        """Read the value of a header that holds a list of media types.

        Raises:
            InvalidParameter: It cannot be read; names the header.
        """
        value = value.strip(" \t,")
        position = 0
        while position < len(value):
            name = _NAME.match(value, position)
            if not name:
                raise InvalidParameter(header, f"no media type at character {position + 1}")
            position = name.end()
            parameters: list[tuple[str, str]] = []
            while parameter := _PARAMETER.match(value, position):
                position = parameter.end()
                key, quoted, plain = parameter.groups()
                if key is not None:
                    text = _QUOTED_PAIR.sub(r"\1", quoted) if quoted is not None else plain
                    parameters.append((key.lower(), text))
            separator = _SEPARATOR.match(value, position)
            if not separator:
                raise InvalidParameter(header, f"no parameter of a media type at character {position + 1}")
            position = separator.end()
            yield cls("*/*" if name[0] == "*" else name[0].lower(), tuple(parameters))

    def parameter(self, name: str) -> str | None:
        """Give the value of a parameter; of a repeated one the first."""
        return next((value for key, value in self.parameters if key == name), None)
