"""What is written below each attribute of a class or a module, by its name."""

import ast
import inspect
from collections.abc import Mapping, Sequence
from itertools import pairwise


def texts_below(body: Sequence[ast.stmt]) -> Mapping[str, str]:
    """Read the texts below assignments."""
    said: dict[str, str] = {}
    for before, after in pairwise(body):
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            targets = before.targets if isinstance(before, ast.Assign) else []
            targets = [before.target] if isinstance(before, ast.AnnAssign) else targets
            text = inspect.cleandoc(str(after.value.value))
            said.update({one.id: text for one in targets if isinstance(one, ast.Name)})
    return said
