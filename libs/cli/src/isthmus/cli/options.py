"""Options and arguments that several commands have."""

from pathlib import Path
from typing import Annotated, Final

import typer

Data = Annotated[Path, typer.Option("--data", help="The folder in which the system keeps its data.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
OriginArgument = Annotated[str, typer.Argument(metavar="ORIGIN", help="The name of an origin.")]
OriginOrAllArgument = Annotated[
    str, typer.Argument(metavar="ORIGIN", help="The name of an origin, or all: all of them as one.")
]

DEFAULT_CONFIG: Final = Path("isthmus.toml")
DEFAULT_DATA: Final = Path(".isthmus")
