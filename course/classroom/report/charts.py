"""Draw figures as SVG that stands in the page: no scripts, no files, colours from the page's style."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

_WIDTH, _HEIGHT, _GROUND, _TOP = 640, 230, 190, 26


def bar(share: float) -> Markup:
    """A bar from 0 to 1. It stands beside its number, so that a screen reader needs none of it."""
    return _line(f'<rect class="fill" width="{100 * min(1.0, max(0.0, share)):.1f}" height="10"/>')


def balance(value: float) -> Markup:
    """A bar from -1 to 1 that begins in the middle."""
    width = 50 * min(1.0, abs(value))
    kind, left = ("fill", 50.0) if value >= 0 else ("against", 50 - width)
    return _line(
        f'<rect class="{kind}" x="{left:.1f}" width="{width:.1f}" height="10"/><rect class="ink" x="49.7" width=".6" height="10"/>'
    )


def _line(shapes: str) -> Markup:
    return Markup(
        '<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="track" width="100" height="10"/>{shapes}</svg>'
    )


def histogram(counts: Sequence[int], bound: float) -> Markup:
    """How many students are in each part of the scale from 0 to 100 %, with a line at `bound`."""
    step = _WIDTH / len(counts)
    most = max(*counts, 1)
    shapes = []
    for place, count in enumerate(counts):
        height = (_GROUND - _TOP - 20) * count / most
        left = place * step
        kind = "fill" if place / len(counts) >= bound - 1e-9 else "below"
        shapes.append(
            f'<rect class="{kind}" x="{left + 3:.1f}" y="{_GROUND - height:.1f}" width="{step - 6:.1f}" height="{height:.1f}" rx="3"/>'
        )
        if count:
            shapes.append(
                f'<text x="{left + step / 2:.1f}" y="{_GROUND - height - 6:.1f}" text-anchor="middle">{count}</text>'
            )
    for place in range(len(counts) + 1):
        anchor = "start" if place == 0 else "end" if place == len(counts) else "middle"
        shapes.append(
            f'<text class="axis" x="{place * step:.1f}" y="{_GROUND + 20}" text-anchor="{anchor}">{100 * place // len(counts)}'
            f"{' %' if place == len(counts) else ''}</text>"
        )
    line = bound * _WIDTH
    return Markup(
        f'<svg class="histogram" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="Histogram of the scores; the table below has its figures.">{"".join(shapes)}'
        f'<rect class="ink" x="0" y="{_GROUND}" width="{_WIDTH}" height="1"/>'
        f'<path class="bound" d="M{line:.1f} {_TOP - 10}V{_GROUND}"/>'
        f'<text class="axis" x="{line - 8:.1f}" y="{_TOP}" text-anchor="end">mastered from {100 * bound:.0f} %</text></svg>'
    )
