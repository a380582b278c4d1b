"""A headless browser for tests of pages."""

import os
import shutil
from importlib.util import find_spec

import pytest

MUST = bool(os.environ.get("CI") or os.environ.get("SPECTESSERA_BROWSER"))
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "about:blank",
)  # fmt: skip
MISSING = [name for name in ("bokeh", "selenium") if find_spec(name) is None]
MISSING += [name for name, at in (("chromium", CHROMIUM), ("chromedriver", DRIVER)) if not at]
needs_browser = pytest.mark.skipif(
    bool(MISSING) and not MUST, reason=f"not installed: {', '.join(MISSING)}"
)


def made_browser(profile, **logged):
    """Return a driver of a browser with a new profile; ``logged`` are levels by kind of log."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    if CHROMIUM:
        options.binary_location = CHROMIUM
    for each in OPTIONS:
        options.add_argument(each)
    options.add_argument(f"--user-data-dir={profile}")
    options.set_capability("goog:loggingPrefs", logged)
    return webdriver.Chrome(options=options, service=Service(DRIVER))
