"""Write them."""

import sys

from tests.observability.dashboards import files

for path, text in files().items():
    path.write_text(text)
    sys.stderr.write(f"wrote {path.name}\n")
