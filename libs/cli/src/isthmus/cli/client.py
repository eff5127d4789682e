"""What the commands ask of the running gateway, over HTTP."""

import os
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote

import httpx2
import orjson

from isthmus.cli.run_file import RunFile
from isthmus.common.config.files import verifying
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicomweb import Part, read_parts, service_path
from isthmus.common.errors import IsthmusError

# An origin may need longer than any time-out that we could choose; the gateway ends what takes too long.
_TIMEOUT: Final = httpx2.Timeout(None, connect=5)
_END: Final = "-----END CERTIFICATE-----"
_DICOM_PARTS: Final = 'multipart/related; type="application/dicom"; transfer-syntax=*'


class GatewayAway(IsthmusError):
    """The gateway does not answer, or broke off."""

    title = "The gateway does not answer"


class Refused(IsthmusError):
    """The gateway answered with an error."""

    title = "The gateway refused"


class Partial(IsthmusError):
    """All came that can be had, and something lacks."""

    title = "Something lacks"


@dataclass(frozen=True)
class EchoAnswer:
    """Whether an origin answers, measured now."""

    name: str
    ok: bool
    latency_ms: float
    detail: str | None = None


@dataclass(frozen=True)
class SearchAnswer:
    """The matches, and what the gateway warned of."""

    matches: Sequence[DicomJson]
    warning: str | None


@dataclass(frozen=True)
class RetrieveAnswer:
    """The objects as they come, and what the gateway warned of beforehand."""

    parts: AsyncGenerator[Part, None]
    warning: str | None


class Gateway:
    """The gateway of a running system."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http

    @classmethod
    @asynccontextmanager
    async def of(cls, data: Path) -> AsyncIterator[Self]:
        """Find the gateway that runs with a data folder.

        Raises:
            NotRunning: nothing does.
        """
        run = RunFile.read(data)
        headers = {"Authorization": f"Bearer {run.key}"} if run.key else {}
        async with httpx2.AsyncClient(
            base_url=run.gateway, headers=headers, verify=trusting(run), trust_env=False, timeout=_TIMEOUT
        ) as http:
            yield cls(http)

    async def echo(self, origin: str) -> EchoAnswer:
        """Have an origin asked whether it answers: by C-ECHO, or its counterpart.

        Raises:
            Refused: there is no such origin.
            GatewayAway: no answer.
        """
        async with self._request("GET", f"/aets/{_segment(origin)}") as response:
            answer = _json(await response.aread())
        if response.status_code not in (200, 503) or not isinstance(answer, dict) or "ok" not in answer:
            raise Refused(_reason(response))
        return EchoAnswer(answer["name"], answer["ok"], answer["latency_ms"], answer.get("detail"))

    async def origins(self) -> Sequence[str]:
        """Give the names of the origins that there are for us.

        Raises:
            Refused: it does not list them.
            GatewayAway: no answer.
        """
        async with self._request("GET", "/aets") as response:
            listed = _json(await response.aread())
        _require_success(response)
        if not isinstance(listed, list):
            raise Refused("the answer is no list of origins")
        return [str(one["name"]) for one in listed if isinstance(one, dict) and "name" in one]

    async def has_viewer(self) -> bool:
        """Tell whether it serves a viewer's page.

        Raises:
            GatewayAway: no answer.
        """
        async with self._request("GET", "/", headers={"Accept": "text/html"}) as response:
            return response.is_success

    async def search(self, path: str, parameters: Sequence[tuple[str, str]]) -> SearchAnswer:
        """Search (PS3.18 10.6).

        Raises:
            Refused: the search failed.
            GatewayAway: no answer.
        """
        headers = {"Accept": "application/dicom+json"}
        async with self._request("GET", path, params=parameters, headers=headers) as response:
            body = await response.aread()
        _require_success(response)
        matches = _json(body) if body else []
        if not isinstance(matches, list):
            raise Refused("the answer to the search is no DICOM JSON")
        return SearchAnswer(matches, response.headers.get("warning"))

    @asynccontextmanager
    async def retrieve(self, path: str) -> AsyncIterator[RetrieveAnswer]:
        """Retrieve instances in the transfer syntaxes in which they are held (PS3.18 10.4).

        Raises:
            Refused: nothing comes.
            GatewayAway: the body broke off: it is incomplete.
            Partial: after the last part, the origin could not deliver all.
        """
        async with self._request("GET", path, headers={"Accept": _DICOM_PARTS}) as response:
            if not response.is_success:
                await response.aread()
            _require_success(response)
            whole = response.status_code == HTTPStatus.OK
            yield RetrieveAnswer(_parts(response), response.headers.get("warning") if whole else None)

    async def store(self, origin: str, content_type: str, body: AsyncIterator[bytes]) -> DicomJson:
        """Store instances; gives the response module (PS3.18 10.5.3).

        Raises:
            Refused: nothing of it was taken.
            GatewayAway: it is not known what was taken.
        """
        headers = {"Content-Type": content_type, "Accept": "application/dicom+json"}
        path = f"{service_path(_segment(origin))}/studies"
        async with self._request("POST", path, content=body, headers=headers) as response:
            module = _json(await response.aread())
        if not isinstance(module, dict) or not {"00081198", "00081199", "0008119A"} & module.keys():
            raise Refused(_reason(response))
        return module

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        path: str,
        *,
        params: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        content: AsyncIterator[bytes] | None = None,
    ) -> AsyncIterator[httpx2.Response]:
        query = httpx2.QueryParams(list(params))
        try:
            async with self._http.stream(
                method, path, params=query, headers=headers, content=content
            ) as response:
                yield response
        except httpx2.ConnectError as error:
            raise GatewayAway(f"{why_away(error)} at {self._http.base_url}") from None
        except httpx2.TransportError as error:
            # Its text may hold the URL, and that a patient's name.
            raise GatewayAway(f"the connection was broken off ({type(error).__name__})") from None


def trusting(run: RunFile) -> ssl.SSLContext:
    """Trust the gateway's certificate and none other: it need not be for the address at which we reach it.

    Where we are not told its certificate, we are a client as others are, and verify it.

    Raises:
        GatewayAway: a file of certificates cannot be read.
    """
    if run.certificate is None and run.gateway.startswith("https:"):
        try:
            return verifying()
        except ValueError as error:
            raise GatewayAway(str(error)) from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if run.certificate is not None:
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        try:
            # What follows are its authorities, and may be anybody's.
            own, end, _ = run.certificate.read_text().partition(_END)
            context.load_verify_locations(cadata=own + end)
        except (OSError, ValueError):
            raise GatewayAway(f"the gateway's certificate cannot be read: {run.certificate}") from None
    return context


def why_away(error: httpx2.TransportError) -> str:
    """Say what is at the bottom of it: that nobody listens, or what is wrong with a certificate."""
    cause: BaseException = error
    while (deeper := cause.__cause__ or cause.__context__) is not None:
        cause = deeper
    if isinstance(cause, ssl.SSLCertVerificationError):
        return cause.verify_message
    if isinstance(cause, socket.gaierror):
        return cause.strerror
    if isinstance(cause, OSError) and not isinstance(cause, ssl.SSLError) and cause.errno is not None:
        return os.strerror(cause.errno)  # asyncio's own words have the address, which is told behind
    return type(error).__name__


def resource_path(origin: str, study: str, series: str | None = None, instance: str | None = None) -> str:
    """Give the path of a study, series or instance, at an origin or at `all`."""
    path = f"{service_path(_segment(origin))}/studies/{_segment(study)}"
    if series is not None:
        path += f"/series/{_segment(series)}"
    if instance is not None:
        path += f"/instances/{_segment(instance)}"
    return path


def _segment(name: str) -> str:
    """Keep a name from being more than one segment of a path; what is wrong with it the gateway says."""
    return quote(name, safe="")


async def _parts(response: httpx2.Response) -> AsyncGenerator[Part, None]:
    async with aclosing(read_parts(response.aiter_raw(), response.headers.get("content-type"))) as parts:
        async for part in parts:
            yield part
    if response.status_code == HTTPStatus.PARTIAL_CONTENT:
        _, _, what_lacks = response.headers.get("warning", "").partition(": ")
        raise Partial(what_lacks or "the gateway does not say what lacks")


def _require_success(response: httpx2.Response) -> None:
    if not response.is_success:
        raise Refused(_reason(response))


def _reason(response: httpx2.Response) -> str:
    """Say why, from `application/problem+json` (RFC 9457)."""
    problem = _json(response.content)
    if not isinstance(problem, dict):
        return f"HTTP {response.status_code}"
    reason = ": ".join(str(problem[key]) for key in ("title", "detail") if problem.get(key))
    if "missing" in problem:
        reason += f"; missing: {', '.join(problem['missing'])}"
    if "trace_id" in problem:
        reason += f" (isthmus trace {problem['trace_id']})"
    return reason or f"HTTP {response.status_code}"


def _json(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
