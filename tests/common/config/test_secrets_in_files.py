"""Every secret of the settings can be in a file, as containers have it."""

from collections.abc import Iterator
from typing import get_args

from pydantic import BaseModel

from isthmus.common.config import Settings


def tables(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Give a table and all below it."""
    yield model
    for field in model.model_fields.values():
        for below in models_in(field.annotation):
            yield from tables(below)


def models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models_in(part)


def test_what_is_not_shown_has_a_setting_for_its_file() -> None:
    secrets = {
        (table.__name__, name): f"{name}_file" in table.model_fields
        for table in tables(Settings)
        for name, field in table.model_fields.items()
        if not field.repr
    }
    without = {one for one, has_a_file in secrets.items() if not has_a_file}
    # A name, which is none by itself; and URLs, which are not shown since somebody may write one into them.
    assert without == {("S3", "access_key"), ("Webhook", "url"), ("DicomwebOrigin", "proxy")}
    assert len(secrets) > 5
