"""Each service can be installed and run without the others: its distribution says what it needs."""

import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

from pydantic import TypeAdapter

from tests.waiting import PATIENCE

ROOT = Path(__file__).parents[3]
WITHOUT = """
import importlib, pkgutil, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"{name} is not installed", name=name)

absent = set(sys.argv[1].split(","))
sys.meta_path.insert(0, Absent())
for service in sys.argv[2:]:
    package = importlib.import_module(service)
    for module in pkgutil.walk_packages(package.__path__, f"{service}."):
        if not module.name.endswith(".__main__"):
            importlib.import_module(module.name)
"""
"""Imports all modules of services, without the packages that the first argument names."""


def project(directory: Path) -> dict[str, object]:
    project = tomllib.loads((directory / "pyproject.toml").read_text())["project"]
    return TypeAdapter(dict[str, object]).validate_python(project)


def test_who_works_on_no_pixels_needs_no_codecs() -> None:
    extras = TypeAdapter(dict[str, list[str]]).validate_python(
        project(ROOT / "libs/common")["optional-dependencies"]
    )
    codecs = {requirement.partition(">")[0] for requirement in extras["pixels"]}
    absent = {name for name, owners in packages_distributions().items() if codecs & set(owners)}
    assert {"numpy", "openjpeg"} <= absent
    services = [
        f"isthmus.{directory.name.replace('-', '_')}"
        for directory in sorted((ROOT / "services").iterdir())
        if "isthmus-common" in TypeAdapter(list[str]).validate_python(project(directory)["dependencies"])
    ]
    assert {"isthmus.qido", "isthmus.web_scu"} <= set(services)
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, ",".join(absent), *services],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
