"""A page in Debian's Chromium, and what it asked for and complained about."""

import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@dataclass
class Visit:
    """A page that is open, ``page``, every address it asked for but its own, and every error it told."""

    page: object
    requests: list = field(default_factory=list)
    errors: list = field(default_factory=list)


@contextmanager
def visiting(browser, path, **options):
    """Open a file in a new window; options are Playwright's, such as ``viewport`` and ``color_scheme``."""
    context = browser.new_context(**options)
    try:
        page = context.new_page()
        visit = Visit(page)
        own = path.as_uri()
        page.on("request", lambda one: None if one.url.partition("#")[0] == own else visit.requests.append(one.url))
        page.on("console", lambda one: visit.errors.append(one.text) if one.type in {"error", "warning"} else None)
        page.on("pageerror", lambda one: visit.errors.append(str(one)))
        page.on("dialog", lambda one: (visit.errors.append(f"dialog: {one.message}"), one.dismiss()))
        page.goto(own)
        yield visit
    finally:
        context.close()
