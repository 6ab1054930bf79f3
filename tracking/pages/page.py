"""Page: one standalone HTML file, everything it needs inside it, everything written into it escaped."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from anomaly_lab.errors import StoreError

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, *, scripts: tuple[str, ...] = (), **values: Any) -> str:
    """Return a page that loads nothing from anywhere.

    A browser runs no script in it but those named here: its content security policy names their digests, so that not
    even a hole in the escaping would let a team's name run.

    Parameters
    ----------
    template : str
        Name of a template that extends ``base.html.j2``.
    scripts : tuple of str
        Sources of further scripts, run after the page's own in the order given.
    **values
        What the template shows. An undefined name is an error.
    """
    sources = (_own_script(), *scripts)
    digests = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in sources]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        environment()
        .get_template(template)
        .render(
            **values,
            policy=Markup(f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src {allowed}"),
            scripts=[Markup(one) for one in sources],
            style=Markup((TEMPLATES / "style.css").read_text(encoding="utf-8")),
        )
    )


def write_text(path: str | Path, text: str) -> Path:
    """Write a file whole or not at all, and return it.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    path = Path(path)
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StoreError(f"{path}: must be a file that can be written, found: {error.strerror}") from None
    return path


@cache
def environment() -> Environment:
    """Return the templates, in which every value is escaped and every name must exist."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["signed"] = lambda value, digits=3: f"{value:+.{digits}f}".replace("-", "\N{MINUS SIGN}")
    made.filters["p_value"] = lambda p: "< 0.001" if p < 0.001 else f"{p:.2g}"
    return made


@cache
def _own_script() -> str:
    return (TEMPLATES / "page.js").read_text(encoding="utf-8")
