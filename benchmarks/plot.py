"""Bars, drawn as SVG by hand."""

from html import escape

WIDTH, LABELS, VALUES = 860, 300, 70
ROW, BAR, GAP, HEAD = 22, 14, 34, 34
FONT = "font-family='system-ui, sans-serif' font-size='12'"
INK, QUIET, BLUE, RED = "#222", "#888", "#3b73b9", "#c0392b"


def panel(title, rows, top, unit="", most=None):
    """(SVG, height) of a titled group of bars, from `top` on. `rows` are (label, value, target or None).

    A bar that falls short of its target, which a line marks, is red. With `most`, a target is not to be exceeded.
    """
    largest = max(max(value, target or 0) for _, value, target in rows) * 1.02
    scale = (WIDTH - LABELS - VALUES) / largest
    parts = [f"<text x='10' y='{top + 18}' {FONT} font-weight='bold' fill='{INK}'>{escape(title)}</text>"]
    for place, (label, value, target) in enumerate(rows):
        y = top + HEAD + place * ROW
        missed = target is not None and (value > target if most else value < target)
        width = max(value * scale, 1)
        mark = LABELS + (target or 0) * scale
        # the figure stands beside the line, not on it
        beside = mark if -6 < mark - LABELS - width < VALUES else LABELS + width
        parts += [
            f"<text x='{LABELS - 8}' y='{y + 12}' {FONT} text-anchor='end' fill='{INK}'>{escape(label)}</text>",
            f"<rect x='{LABELS}' y='{y + 1}' width='{width:.1f}' height='{BAR}' fill='{RED if missed else BLUE}'/>",
            f"<text x='{beside + 6:.1f}' y='{y + 12}' {FONT} fill='{INK}'>{value:.2f}{escape(unit)}</text>",
        ]
        if target is not None:
            parts.append(f"<line x1='{mark:.1f}' x2='{mark:.1f}' y1='{y - 2}' y2='{y + BAR + 4}' stroke='{INK}' stroke-width='2'/>")
    return "\n".join(parts), HEAD + len(rows) * ROW + GAP


def page(panels):
    """The SVG of panels, one below the other, each the arguments of `panel` as (title, rows, options)."""
    parts, top = [], 10
    for title, rows, options in panels:
        if rows:
            part, height = panel(title, rows, top, **options)
            parts.append(part)
            top += height
    parts.append(f"<text x='10' y='{top}' {FONT} fill='{QUIET}'>A line marks what is aimed at; red has not got there.</text>")
    height = top + 16
    head = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' width='{WIDTH}' height='{height}' role='img'>"
    # a page may be dark
    return "\n".join([head, "<rect width='100%' height='100%' fill='#fff'/>", *parts, "</svg>", ""])
