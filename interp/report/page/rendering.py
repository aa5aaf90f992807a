"""Templates of the page: they hold all markup, and escape every value that is put into them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from interp.drawing.markup import direction, signed


def render(template: str, values: Mapping[str, Any], script: str = "report.js", style: str = "report.css") -> str:
    """Fill in a template of the folder `templates`; a missing value is an error.

    Characters that UTF-8 cannot encode, such as half of a surrogate pair from a JSON file, become question marks.

    Args:
        template: file name of the template.
        values: values of the template.
        script, style: the one script and the one style sheet of the page, files of the folder `assets`.
    """
    js = _asset(script)
    text = _environment().get_template(template).render(values, css=_asset(style), js=js, policy=_policy(js))
    return text.encode("utf-8", "replace").decode("utf-8")


def _policy(js: str) -> str:
    """Return the content security policy: only our script, our styles, pictures within the page, and no request.

    The templates let no text become markup. The policy is a second defence if one ever does.
    """
    digest = base64.b64encode(hashlib.sha256(f"\n{js}".encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


@cache
def _environment() -> Environment:
    out = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=PackageLoader("interp.report"),
    )
    # tojson writes <, > and & as \uXXXX, so that no text ends the script element that holds it
    out.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "allow_nan": False}
    out.filters["signed"] = signed
    out.filters["direction"] = direction
    return out


def _asset(name: str) -> str:
    return (files("interp.report") / "assets" / name).read_text(encoding="utf-8")
