"""Charts, drawn by leather as SVG: how many and how long, never how good."""

from collections.abc import Sequence

import leather
from leather import theme

from secdl.model.text import one_line
from secdl.report.svg import safe_svg

_WIDTH = 560
_BAR = 26
_INK = "currentColor"
_FONT = "system-ui"

theme.background_color = "none"
theme.margin = 0.03
theme.tick_color = theme.zero_color = theme.label_color = theme.title_color = theme.axis_title_color = _INK
theme.tick_font_family = theme.title_font_family = theme.axis_title_font_family = _FONT
theme.tick_font_size = theme.axis_title_font_size = 12
theme.tick_font_char_width = 7
theme.tick_font_char_height = theme.axis_title_font_char_height = 12


def bars(rows: Sequence[tuple[str, float]], *, label: str, unit: str, prefix: str) -> str | None:
    """Horizontal bars of `rows` from top to bottom, or None where there are not two to compare."""
    if sum(value > 0 for _, value in rows) < 2:
        return None
    chart = leather.Chart()
    chart.add_x_scale(0, max(value for _, value in rows))
    chart.add_x_axis(name=unit)
    chart.add_bars([(value, one_line(name, limit=40)) for name, value in rows], fill_color=_INK)
    height = _BAR * len(rows) + 60
    drawn = chart.to_svg(width=_WIDTH, height=height).replace("<svg ", f'<svg viewBox="0 0 {_WIDTH} {height}" ', 1)
    return safe_svg(drawn.encode("utf-8", "replace"), label=label, prefix=prefix, css_class="chart")
