"""What the values of settings are: addresses, AE titles, names, and how a wrong one is called."""

import re
from ipaddress import ip_address
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
)
from pydicom.charset import python_encoding

_ENDPOINT: Final = re.compile(r"(https?://)?[0-9A-Za-z.:\[\]_-]+/?")
_RESOURCE: Final = re.compile(r"[0-9A-Za-z_~-][0-9A-Za-z._~-]*(/[0-9A-Za-z_~-][0-9A-Za-z._~-]*)*")
_HOST: Final = re.compile(r"[^\s:/@\[\]\x00-\x1f]+")
_BUCKET: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{1,61}[0-9A-Za-z]")
# As browsers write it (RFC 6454 6.2): in lower case, without a path.
_WEB_ORIGIN: Final = re.compile(r"https?://(?:[0-9a-z._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")


class ListenAddress(str):
    """`host:port` of a server socket; the host is an IP address or `localhost`, port 0 means any free one."""

    __slots__ = ()

    @property
    def host(self) -> str:
        """The host, without the brackets of an IPv6 address."""
        return self.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port."""
        return int(self.rpartition(":")[2])

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        return self.host == "localhost" or ip_address(self.host).is_loopback


def _listen_address(text: str) -> ListenAddress:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError('is no "host:port"')
    if host != "localhost":
        try:
            ip_address(host.strip("[]"))
        except ValueError:
            raise ValueError(f"{host!r} is no IP address") from None
    return ListenAddress(text)


def _host(text: str) -> str:
    try:
        ip_address(text)
    except ValueError:
        if not _HOST.fullmatch(text):
            raise ValueError("is neither a name nor an IP address: without scheme, path and port") from None
    return text


def _ae_title(text: str) -> str:
    title = text.strip()
    if not title or len(title) > 16 or "\\" in title or not title.isprintable() or not title.isascii():
        raise ValueError("is no AE title: 1 to 16 printable ASCII characters without backslash (PS3.5 6.2)")
    return title


def _character_set(text: str) -> str:
    unknown = [term for term in text.split("\\") if term not in python_encoding]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no defined term of Specific Character Set (PS3.3 C.12.1.1.2)")
    return text


def _web_origin(text: str) -> str:
    if text != "*" and not _WEB_ORIGIN.fullmatch(text):
        raise ValueError('is neither "*" nor a web origin such as "https://viewer.example.org"')
    return text


def _exact_url(text: str) -> str:
    if not _is_url(text):
        raise ValueError("is no URL that begins with http:// or https://")
    return text


def _is_url(text: str) -> bool:
    if not text.isprintable() or " " in text:
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # its text may quote the user and the password
        return False


def _url(text: str) -> str:
    return _exact_url(text).rstrip("/")


def _plain_url(text: str) -> str:
    url = _url(text)
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        raise ValueError("must hold no user and no password")
    if "?" in url or "#" in url:
        raise ValueError("must have neither query nor fragment")
    return url


def _exact_plain_url(text: str) -> str:
    _plain_url(text)
    return text


def is_in_clear(url: str) -> bool:
    """Tell whether what is sent to a URL can be read on the way: it has no TLS, and leaves this machine."""
    return urlsplit(url).scheme != "https" and not is_on_this_machine(url)


def is_on_this_machine(url: str) -> bool:
    """Tell whether a URL is on loopback, by its host."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def host_and_port(url: str) -> str:
    """Give of a URL what may be shown: neither a user nor a password."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _nats_url(text: str) -> str:
    url = text if "://" in text else f"nats://{text}"
    try:
        parts = urlsplit(url)
        holds = parts.scheme in {"nats", "tls"} and parts.hostname and parts.port != 0
    except ValueError:  # its text may quote the password
        holds = False
    if not holds or not text.isprintable() or " " in text:
        raise ValueError("is no URL of NATS: nats:// or tls://, a host and a port")
    return url


def _endpoint(text: str) -> str:
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        holds = _ENDPOINT.fullmatch(text) and parts.hostname and parts.port != 0
    except ValueError:
        holds = False
    if not holds:
        raise ValueError('is no "host:port" and no URL without a path, such as "https://s3.example.org"')
    return text


def _bucket(text: str) -> str:
    if not _BUCKET.fullmatch(text):
        raise ValueError("is no name of a bucket: 3 to 63 letters, digits, dots, hyphens and underscores")
    return text


def _resource_path(text: str) -> str:
    if not _RESOURCE.fullmatch(text):
        raise ValueError('is no path of a resource below url, such as "mwlitems"')
    return text


def _proxy_url(text: str) -> str:
    url = _url(text)
    parts = urlsplit(url)
    if parts.path or "?" in url or "#" in url:
        raise ValueError("is no URL of a proxy: http:// or https://, a host and a port")
    return url


NonEmpty = Annotated[str, StringConstraints(min_length=1)]
Host = Annotated[str, AfterValidator(_host)]
"""A name, or an IP address, of IPv6 without brackets."""
Port = Annotated[int, Field(ge=1, le=65535)]
Few = Annotated[int, Field(ge=1, le=64)]
"""How many of something there are, or are used at one time."""
Seconds = Annotated[float, Field(gt=0, le=3600)]
"""A time to wait, an hour at most."""
Listen = Annotated[str, AfterValidator(_listen_address)]
ListenOrNot = Annotated[str, AfterValidator(lambda text: _listen_address(text) if text else text)]
"""Empty where nothing listens."""
AETitle = Annotated[str, AfterValidator(_ae_title)]
Url = Annotated[str, AfterValidator(_url)]
ExactUrl = Annotated[str, AfterValidator(_exact_url)]
"""One that is used as it is written: a slash at its end means something."""
PlainUrl = Annotated[str, AfterValidator(_plain_url)]
"""One to which paths are added, without a user, a password, a query and a fragment."""
ExactPlainUrl = Annotated[str, AfterValidator(_exact_plain_url)]
"""The same, to the letter: a slash at its end means something."""
NatsUrl = Annotated[str, AfterValidator(_nats_url)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
"""Of S3."""
BucketName = Annotated[str, AfterValidator(_bucket)]
ProxyUrl = Annotated[str, AfterValidator(_proxy_url)]
ResourcePath = Annotated[str, AfterValidator(_resource_path)]
WebOrigin = Annotated[str, AfterValidator(_web_origin)]
CharacterSet = Annotated[str, AfterValidator(_character_set)]
OriginName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


class Section(BaseModel):
    """A table of the settings file; a key that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _is_no_boolean(cls, value: object, info: ValidationInfo) -> object:
        """Take no `true` for 1: pydantic would."""
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation is not bool:
            raise ValueError(f"must not be {str(value).lower()}")
        return value
