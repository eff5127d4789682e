"""The parts of docs/openapi.yaml that several of its operations share."""

from collections.abc import Mapping
from typing import Final

from isthmus.common.dicom.uids import LONGEST_UID

Json = dict[str, object]

UID_PATTERN: Final = "^[0-9A-Za-z._-]{1,128}$"
_BOOLEAN: Final[Json] = {"type": "boolean"}
_TEXT: Final[Json] = {"type": "string"}
_UNSIGNED: Final[Json] = {"type": "integer", "minimum": 0}
_PIXELS: Final[Json] = {"type": "integer", "minimum": 1, "maximum": 16384}
_QUALITY: Final[Json] = {"type": "integer", "minimum": 1, "maximum": 100}
_UID: Final[Json] = {"$ref": "#/components/schemas/uid"}

QUERY_SCHEMAS: Final[Mapping[str, Json]] = {
    "includefield": {
        "type": "array",
        "items": {"type": "string", "pattern": "^(all|[0-9A-F]{8}|[A-Z][0-9A-Za-z]{0,63})$"},
    },
    "fuzzymatching": _BOOLEAN,
    "emptyvaluematching": _BOOLEAN,
    "multiplevaluematching": _BOOLEAN,
    "limit": _UNSIGNED,
    "offset": _UNSIGNED,
    "quality": _QUALITY,
    "imageQuality": _QUALITY,
    "requestType": {"type": "string", "const": "WADO"},
    "studyUID": _UID,
    "seriesUID": _UID,
    "objectUID": _UID,
    "transferSyntax": _UID,
    "presentationSeriesUID": _UID,
    "presentationUID": _UID,
    "frameNumber": {"type": "integer", "minimum": 1},
    "rows": _PIXELS,
    "columns": _PIXELS,
    "windowCenter": {"type": "number"},
    "windowWidth": {"type": "number", "exclusiveMinimum": 0},
    "iccprofile": {"type": "string", "enum": ["no", "yes", "srgb", "adobergb", "rommrgb"]},
}
"""What the values of query parameters are; of all others texts."""

PATH_PARAMETERS: Final[Mapping[str, Json]] = {
    "origin": {
        "description": "The name of an origin.",
        "schema": {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,62}$", "not": {"const": "all"}},
    },
    "study": {"description": "Study Instance UID (0020,000D).", "schema": _UID},
    "series": {"description": "Series Instance UID (0020,000E).", "schema": _UID},
    "instance": {"description": "SOP Instance UID (0008,0018).", "schema": _UID},
    "frames": {
        "description": "Numbers of frames from 1, with commas between (PS3.18 10.4.1.1.6).",
        "schema": {"type": "string", "pattern": "^[1-9][0-9]{0,5}(,[1-9][0-9]{0,5}){0,15}$"},
    },
    "path": {
        "description": "Of a BulkDataURI what follows `bulkdata/`: tags, and numbers of items between them;"
        " its slashes stay as they are.",
        "schema": {"type": "string", "pattern": "^[0-9A-Fa-f]{8}(/[1-9][0-9]{0,3}/[0-9A-Fa-f]{8}){0,3}$"},
    },
}

SECURITY_SCHEMES: Final[Json] = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An access token of the OpenID provider in the settings, or an API key in its place.",
    },
    "key": {
        "type": "http",
        "scheme": "basic",
        "description": "An API key, made by `isthmus key`, as the password.",
    },
    "certificate": {
        "type": "mutualTLS",
        "description": "A certificate of the client, where the gateway listens with TLS and verifies them.",
    },
    "link": {
        "type": "apiKey",
        "in": "query",
        "name": "link",
        "description": "A signed link to one study, made by `isthmus link`.",
    },
}
SECURITY: Final[list[Json]] = [{}, *(dict[str, object]({name: []}) for name in SECURITY_SCHEMES)]
"""Nothing is needed where there are no rules, and where a rule is for anyone."""

SCHEMAS: Final[Json] = {
    "uid": {
        "type": "string",
        "pattern": UID_PATTERN,
        "description": f"A UID: by PS3.5 9.1 digits and dots, {LONGEST_UID} at most; what real archives hold"
        " is taken too.",
    },
    "problem": {
        "type": "object",
        "description": "What went wrong (RFC 9457), the Status Report of PS3.18 8.6.3.",
        "required": ["title", "status"],
        "properties": {
            "type": {"type": "string", "description": "`about:blank`, or `urn:isthmus:problem:` and a name."},
            "title": _TEXT,
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": _TEXT,
            "trace_id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
            "parameter": {
                "type": "string",
                "description": "Which parameter, path segment or header is wrong.",
            },
            "available": {"type": "array", "items": _TEXT, "description": "The media types that there are."},
            "origin": _TEXT,
            "instance": {"type": "string", "description": "SOP Instance UID."},
            "missing": {"type": "array", "items": _TEXT, "description": "SOP Instance UIDs."},
            "dimse_status": {"type": "string", "pattern": "^[0-9A-F]{4}$"},
            "dimse_meaning": {"type": ["string", "null"]},
            "http_status": {"type": "integer", "description": "What a DICOMweb origin answered."},
        },
    },
    "dataSet": {
        "type": "object",
        "description": "A data set in the DICOM JSON Model (PS3.18 Annex F.2).",
        "propertyNames": {"pattern": "^[0-9A-F]{8}$"},
        "additionalProperties": {"$ref": "#/components/schemas/element"},
    },
    "element": {
        "type": "object",
        "required": ["vr"],
        "properties": {
            "vr": {"type": "string", "pattern": "^[A-Z]{2}$"},
            "Value": {"type": "array", "minItems": 1},
            "BulkDataURI": _TEXT,
            "InlineBinary": {"type": "string", "contentEncoding": "base64"},
        },
        "additionalProperties": False,
    },
    "origin": {
        "type": "object",
        "required": ["name", "protocol", "ae_title"],
        "properties": {
            "name": _TEXT,
            "protocol": {"type": "string", "enum": ["dimse", "dicomweb", "s3", "inbox"]},
            "ae_title": {"type": ["string", "null"]},
        },
    },
    "check": {
        "type": "object",
        "required": ["name", "ok", "latency_ms"],
        "properties": {
            "name": _TEXT,
            "ok": _BOOLEAN,
            "latency_ms": {"type": "number", "minimum": 0},
            "detail": {"type": "string", "description": "Why it does not answer."},
        },
    },
    "health": {
        "type": "object",
        "required": ["ok"],
        "properties": {"ok": _BOOLEAN, "nats": _BOOLEAN, "s3": _BOOLEAN},
    },
}

PROBLEM: Final[Json] = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/problem"}}}
WORDS: Final[Mapping[int, str]] = {
    200: "What was asked for.",
    202: "Some instances were stored, others not: the answer says which, and why.",
    204: "Nothing matches, or it is deleted.",
    206: "A range of it; or what there is of it, where Warning says what lacks.",
    304: "The client has it already.",
    400: "The request is wrong: `parameter` names what.",
    401: "There is no credential, or one that is not valid.",
    403: "That is not allowed.",
    404: "There is no such origin or object, or none that one may see.",
    405: "This origin's objects cannot be deleted: Allow lists what can be done.",
    406: "There is no representation that is accepted: `available` lists those that there are.",
    408: "The request came too slowly.",
    409: "No instance was stored: the answer says why.",
    413: "More than a limit allows.",
    414: "The query is too long.",
    415: "The payload is of a media type that is not taken.",
    416: "The range lies beyond the end.",
    429: "Too many requests at once: Retry-After says when to try again.",
    500: "The gateway failed: the trace tells how.",
    501: "The settings name no origin for it, or the origin does not do it.",
    502: "The origin failed, or sent only a part.",
    503: "The origin, or a part of the gateway, is away: Retry-After says when to try again.",
    504: "The origin did not answer in time.",
}
AT_ANY_TIME: Final = (400, 401, 403, 404, 408, 413, 414, 429, 500, 503)
"""Statuses that every resource may answer with, behind rules and limits."""
