"""The page of all settings, made from their models and from what is written at each of them.

`make docs` writes it to docs/settings.md; tests see that it was, and that nothing is there without a word.
"""

import ast
import inspect
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from textwrap import dedent
from typing import Any, Final, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind

from isthmus.common.config import DicomwebOrigin, DimseOrigin, Inbox, OAuth2, S3Origin, Settings
from isthmus.common.config.access import Oidc, Rule, StudyFilter, Subscriber
from isthmus.common.config.arriving import Arrivals, Caller, Forward, Webhook
from isthmus.common.config.audit import Syslog
from isthmus.common.config.destinations import Destination
from isthmus.common.config.quirks import Quirk
from isthmus.common.config.settings import Replicas, Up
from isthmus.common.config.tls import ListenerTls, PeerTls
from tests.documents.texts_below import texts_below

PAGE: Final = Path(__file__).parents[2] / "docs" / "settings.md"
_SECTIONS: Final = {
    name: type(field.default)
    for name, field in Settings.model_fields.items()
    if isinstance(field.default, BaseModel) and name not in ("up", "arrivals")
}
_TABLES: Final[Mapping[str, type[BaseModel]]] = {
    "[[origins]]: a PACS": DimseOrigin,
    "[[origins]]: a DICOMweb server": DicomwebOrigin,
    "[origins.oauth2]": OAuth2,
    "[[origins]]: a bucket": S3Origin,
    "[[origins]]: an inbox": Inbox,
    "[arrivals]": Arrivals,
    "[[arrivals.forward]]": Forward,
    "[[arrivals.webhooks]]": Webhook,
    "[[scp.callers]]": Caller,
    "[scp.tls]": ListenerTls,
    "[[scp.destinations]]": Destination,
    "[origins.tls]: of a PACS, [scp.destinations.tls] and [scp.callers.tls]": PeerTls,
    **{f"[{name}]": model for name, model in _SECTIONS.items()},
    "[audit.syslog]": Syslog,
    "[[access.rules]]": Rule,
    "[access.rules.studies]": StudyFilter,
    "[[access.oidc]]": Oidc,
    "[[access.subscribers]]": Subscriber,
    "[up.replicas]": Replicas,
}
_ELSEWHERE: Final = frozenset(
    {
        *("callers", "destinations", "forward", "oauth2", "oidc", "rules", "studies", "subscribers"),
        *("syslog", "webhooks"),
    }
)
"""Tables of their own."""
_INTRODUCTION: Final = """\
# Settings

<!-- Made by `make docs` from the models that the settings are read by: do not edit. -->

`isthmus up` reads `isthmus.toml` where it is run, or what `--config` names; a service that is run alone reads
what `ISTHMUS_CONFIG` names. Without a file all defaults hold; one that is named must be there. Every setting
has an environment name too, which goes before the file: `[gateway] listen` is `ISTHMUS_GATEWAY__LISTEN`;
lists are JSON there (`ISTHMUS_ORIGINS`). Whatever is wrong is named with its key, all of it at once, and
nothing is started. Changes hold from the next start on. `isthmus up` fills in `[nats]`, `[s3]`, `[http]` and
`traces` of `[telemetry]` itself.

How to begin is in [the start](start.md#your-own-pacs). Here is more of what arrives; below is everything.

```toml
[arrivals]
quiet_seconds = 30
[[arrivals.forward]]              # what the CTs send goes to the PACS, when the study is there
to = ["pacs"]
inbox = "inbox"
modality = ["CT"]
calling_ae_title = "CT?"
[[arrivals.forward]]              # each instance at once
each = "instance"
to = ["archive"]
[[scp.callers]]                   # where a CT takes the results of Storage Commitment
ae_title = "CT1"
host = "10.1.0.7"
port = 104
[[access.rules]]                  # what it may do; from here on nobody may but whom a rule names
ae_title = "CT1"
network = "10.1.0.0/16"
operations = ["store"]
origins = ["inbox"]
[[scp.destinations]]              # where C-MOVE of legacy clients may send
ae_title = "WORKSTATION"
host = "10.1.0.7"
port = 11113
[[access.rules]]                  # whoever is in this network may read, from these origins alone
network = "10.2.0.0/16"
operations = ["search", "retrieve"]
origins = ["pacs", "cloud"]
[[origins]]
name = "inbox"
protocol = "inbox"
ae_title = "INBOX"
expect = "pacs"                   # asked how many instances a study has
keep_days = 30
[[origins]]
name = "pacs"
ae_title = "PACS"
host = "pacs.example.org"
port = 104
[[origins]]
name = "archive"
ae_title = "ARCHIVE"
host = "archive.example.org"
port = 11112
[[origins]]
name = "cloud"
protocol = "dicomweb"
ae_title = "CLOUD"                # by which DIMSE clients call it here
url = "https://dicomweb.example.org/dicom-web"
[origins.oauth2]                  # of the origin above
token_url = "https://login.example.org/token"
client_id = "isthmus"
client_secret_file = "/run/secrets/cloud"
```"""


class _Schema(GenerateJsonSchema):
    """Of defaults it says nothing: they are taken from the models."""

    ignored_warning_kinds: set[JsonSchemaWarningKind] = {"non-serializable-default", "skipped-choice"}  # noqa: RUF012  # as pydantic declares it


def page() -> str:
    """Write the page."""
    return "\n".join([_INTRODUCTION, *_tables()])


def without_a_table() -> list[str]:
    """Name the models of which settings are made, and that have no table of their own."""
    shown, made_of = {*_TABLES.values(), Up}, set[type[BaseModel]]()
    waiting: list[type[BaseModel]] = [Settings]
    while waiting:
        for field in waiting.pop().model_fields.values():
            for kind in (field.annotation, *_arguments(field.annotation)):
                if isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in made_of:
                    made_of.add(kind)
                    waiting.append(kind)
    return sorted(model.__name__ for model in made_of - shown)


def undescribed() -> list[str]:
    """Name the settings of which nothing is said."""
    return [
        f"{table} {name}"
        for table, model in _TABLES.items()
        if model is not Replicas  # each is the number of processes of the service that it names
        for name, _ in _fields(model)
        if not _said(model, name)
    ]


def _tables() -> Iterator[str]:
    for table, model in _TABLES.items():
        key, colon, what = table.partition(":")
        yield f"\n## `{key}`{colon}{what}\n\n{inspect.getdoc(model)}\n"
        yield "| setting | default | |\n|---|---|---|"
        schema = model.model_json_schema(schema_generator=_Schema)
        for name, field in _fields(model):
            values = "; ".join(_values(schema["properties"][field.alias or name], schema.get("$defs", {})))
            words = " ".join(filter(None, [_said(model, name), *_members(field.annotation), values]))
            yield f"| `{field.alias or name}` | {_default(field)} | {words} |"


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    return ((name, field) for name, field in model.model_fields.items() if name not in _ELSEWHERE)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.get_default()
    if isinstance(default, frozenset | tuple):
        default = [str(one) for one in (sorted(default) if isinstance(default, frozenset) else default)]
    return "" if default is None else f"`{json.dumps(default, default=str)}`"


def _values(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Iterator[str]:
    """Say what a value may be, as far as the schema tells."""
    for one in (schema, *schema.get("anyOf", ()), schema.get("items", {})):
        bounds = ((one.get("exclusiveMinimum"), "more than "), (one.get("minimum"), "from "))
        least = [f"{words}{bound:,}" for bound, words in bounds if bound is not None]
        most = [f"to {one['maximum']:,}"] if "maximum" in one else []
        if least or most:
            yield f"{' '.join([*least, *most]).capitalize()}."
        if "const" in one:
            yield f"`{one['const']}`."
        if "enum" in one:
            yield f"One of {', '.join(f'`{value}`' for value in one['enum'])}."


def _members(annotation: object) -> Iterator[str]:
    """Give the members of the enums in a type, with what is said of them."""
    for kind in (annotation, *_arguments(annotation)):
        if (
            isinstance(kind, type) and issubclass(kind, StrEnum) and kind is not Quirk
        ):  # docs/quirks.md has those
            said = {member.value: _docstrings(kind).get(member.name) for member in kind}
            if all(said.values()):
                yield " ".join(f"`{value}`: {words}" for value, words in said.items())
            else:
                yield f"One of {', '.join(f'`{value}`' for value in said)}."


def _arguments(annotation: object) -> Iterator[object]:
    for argument in get_args(annotation):
        yield argument
        yield from _arguments(argument)


def _said(model: type[BaseModel], name: str) -> str:
    """Give what is written below a setting, or below that of the same name of its base."""
    found: Iterable[str] = (
        _docstrings(base).get(name, "") for base in model.__mro__ if base.__module__ != "builtins"
    )
    return " ".join(next(filter(None, found), "").split())


@cache
def _docstrings(kind: type) -> Mapping[str, str]:
    """Read the texts below the attributes of a class."""
    try:
        (written,) = ast.parse(dedent(inspect.getsource(kind))).body
    except OSError:
        return {}
    assert isinstance(written, ast.ClassDef)
    return texts_below(written.body)


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.stderr.write(f"wrote {PAGE.name}\n")
