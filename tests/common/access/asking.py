"""Asks a face for a study, with the credential of a test."""

import base64
import time
from collections.abc import Mapping

import httpx2

from isthmus.common.auth.links import Links
from tests import planted

STUDY = "/aets/pacs/studies/1.2.3"
LINK_KEY = planted.secret("link")
OPERATOR = planted.secret("operator")


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"}


def link(origin: str = "pacs", study: str = "1.2.3", seconds: float = 60, key: str = LINK_KEY) -> str:
    return planted.plant(Links(key).make(origin, study, time.time() + seconds))


async def told(http: httpx2.AsyncClient, headers: Mapping[str, str], path: str = STUDY) -> dict[str, str]:
    response = await http.get(path, headers=headers)
    assert response.status_code == 200, response.text
    answer: dict[str, str] = response.json()
    return answer


async def refused(http: httpx2.AsyncClient, headers: Mapping[str, str], path: str = STUDY) -> str:
    response = await http.get(path, headers=headers)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith('Bearer realm="isthmus"')
    assert not planted.found_in(response.text + str(response.headers))
    detail: str = response.json()["detail"]
    return f"{response.headers['WWW-Authenticate']} {detail}"
