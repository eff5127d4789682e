"""The browser of the tests: Debian's Chromium, which asks for nothing by itself."""

from typing import Final

CHROMIUM: Final = "/usr/bin/chromium"
OPTIONS: Final = (
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
