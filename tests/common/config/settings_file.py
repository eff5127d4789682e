"""A settings file of a test."""

from pathlib import Path


def written(directory: Path, text: str) -> Path:
    path = directory / "isthmus.toml"
    path.write_text(text)
    return path
