"""Groups of commands of which one need not be named: `isthmus cache` is `isthmus cache show`."""

from typing import ClassVar

import typer
from typer.core import TyperGroup


class ShowByDefault(TyperGroup):
    """Commands of which `show` need not be named."""

    default: ClassVar = "show"

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]  # Typer's type of it is private
        """Name it where nothing but its options is named."""
        is_named = bool(args) and (not args[0].startswith("-") or args[0] == "--help")
        return super().parse_args(ctx, args if is_named else [self.default, *args])


class ListByDefault(ShowByDefault):
    """Commands of which `list` need not be named."""

    default = "list"
