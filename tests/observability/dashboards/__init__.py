"""The dashboards of Grafana: `make docs` writes them to compose/observability/grafana/dashboards."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.observability.dashboards.grafana import written
from tests.observability.dashboards.sources import dashboards

FOLDER: Final = Path(__file__).parents[3] / "compose" / "observability" / "grafana" / "dashboards"


def files() -> Mapping[Path, str]:
    """Give each file, with what is to be in it."""
    return {
        FOLDER / f"{name}.json": json.dumps(written(name, dashboard), indent=1, ensure_ascii=False) + "\n"
        for name, dashboard in dashboards().items()
    }
