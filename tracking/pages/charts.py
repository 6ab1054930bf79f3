"""Charts: Vega-Lite drawings by Altair, as part of a page and as images."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

if TYPE_CHECKING:
    from altair.vegalite.v6.api import ChartType

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31", "#7F7F7F")
"""Told apart by colour-blind readers, on white and on black (after Okabe and Ito, 2008)."""

_CONFIG: dict[str, Any] = {
    "background": None,
    "view": {"stroke": None},
    "font": "system-ui, sans-serif",
    "axis": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "gridOpacity": 0.5},
    "legend": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"},
    "title": {"fontSize": 13, "fontWeight": 600, "anchor": "start"},
    "range": {"category": list(COLOURS)},
}


@dataclass(frozen=True)
class Drawing:
    """A chart in a page: a picture at once, alive as soon as the page's script has run.

    Parameters
    ----------
    name : str
        Id in the page and stem of the image's file.
    title : str
        What it shows, in one sentence: read out where the picture cannot be seen.
    specification : dict
        Vega-Lite.
    """

    name: str
    title: str
    specification: dict[str, Any]

    @property
    def svg(self) -> str:
        """The picture."""
        import vl_convert

        return str(vl_convert.vegalite_to_svg(self.specification))

    def png(self, scale: float = 2.0) -> bytes:
        """Return the picture on white, `scale` pixels a unit."""
        import vl_convert

        return bytes(vl_convert.vegalite_to_png(self.specification | {"background": "white"}, scale=scale))

    @property
    def inline(self) -> Markup:
        """The picture as part of a page: Vega escapes what data say."""
        return Markup(self.svg)


def drawing(name: str, title: str, chart: ChartType) -> Drawing:
    """Return a chart in the house's style.

    Parameters
    ----------
    name : str
        Letters, digits and hyphens.
    title : str
        What it shows, in one sentence.
    chart : altair.Chart
        Any chart; its data become part of it.
    """
    import altair

    with altair.data_transformers.enable("default", max_rows=None):
        specification = chart.to_dict()
    config = {**specification.get("config", {}), **_CONFIG}
    return Drawing(name, title, specification | {"config": config})


@cache
def chart_script() -> str:
    """Return the script that brings charts to life: Vega, Vega-Lite and Vega-Embed (Satyanarayan et al., 2017).

    It is given to `tracking.pages.page.render` among the scripts. Vega's own interpreter runs the expressions of a
    chart, so that the page's policy need not allow scripts to be made from text.
    """
    import vl_convert

    return str(vl_convert.javascript_bundle(_START))


_START = """
for (const figure of document.querySelectorAll('figure.chart')) {
  const specification = JSON.parse(figure.querySelector('script').textContent);
  const place = figure.querySelector('.drawn');
  const options = { renderer: 'svg', actions: false, ast: true };
  vegaEmbed(place, specification, options).then(() => { figure.dataset.live = 'yes'; });
}
"""
