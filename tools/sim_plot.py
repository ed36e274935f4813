"""A run of the simulator as SVG: when the answers came, against leisure, and the link's load, against its rate.

Written by hand, for no library; colours follow the reader's light or dark scheme.
"""

from simulation import BIN, SECOND

WIDTH = 860
LEFT, RIGHT = 70, 24
PANEL = 190  # height of one
TOPS = (92, 352)
HEIGHT = TOPS[1] + PANEL + 46
COLUMNS = 90  # of the histogram
TICKS = 8

STYLE = """
    .bg { fill: #fff; stroke: #8c959f } .ink { fill: #1f2328 } .faint { fill: #57606a } .axis { stroke: #8c959f }
    .grid { stroke: #d8dee4 } .bar { fill: #54a06b } .sum { stroke: #0550ae } .sumtext { fill: #0550ae }
    .load { stroke: #bc4c00 } .loadtext { fill: #bc4c00 } .carried { fill: #e8b98a } .mark { stroke: #8250df }
    .marktext { fill: #8250df } .rate { stroke: #cf222e } .ratetext { fill: #cf222e } .span { fill: #8250df }
    @media (prefers-color-scheme: dark) {
      .bg { fill: #0d1117; stroke: #3d444d } .ink { fill: #e6edf3 } .faint { fill: #9198a1 } .axis { stroke: #656c76 }
      .grid { stroke: #262c36 } .bar { fill: #2f7d46 } .sum { stroke: #58a6ff } .sumtext { fill: #58a6ff }
      .load { stroke: #f0883e } .loadtext { fill: #f0883e } .carried { fill: #6b4423 } .mark { stroke: #bc8cff }
      .marktext { fill: #bc8cff } .rate { stroke: #ff7b72 } .ratetext { fill: #ff7b72 } .span { fill: #bc8cff }
    }
"""


class Panel:
    """A pair of axes: x in s, y from 0 to `high`."""

    def __init__(self, top, seconds, high):
        self.top = top
        self.seconds = seconds
        self.high = high

    def x(self, seconds):
        return LEFT + (WIDTH - LEFT - RIGHT) * min(1, seconds / self.seconds)

    def y(self, value):
        return self.top + PANEL * (1 - value / self.high)

    def axes(self, title):
        yield text(LEFT, self.top - 10, title, "ink")
        for value in ticks(self.high, 1):
            yield line(LEFT, self.y(value), WIDTH - RIGHT, self.y(value), "grid")
            yield text(LEFT - 8, self.y(value) + 4, f"{value:g}", "faint", "end")
        for value in ticks(self.seconds):
            yield text(self.x(value), self.top + PANEL + 18, f"{value:g} s" if value else "0", "faint", "middle")
            yield line(self.x(value), self.top + PANEL, self.x(value), self.top + PANEL + 4, "axis")
        yield line(LEFT, self.top + PANEL, WIDTH - RIGHT, self.top + PANEL, "axis")


def ticks(high, step=1e-3):
    """Round numbers from 0 to `high`, at most `TICKS` and one, `step` or more apart."""
    while high / step > TICKS:
        for factor in (2, 2.5, 2):
            if high / step > TICKS:
                step *= factor
    return [round(i * step, 6) for i in range(int(high / step + 1e-9) + 1)]


def text(x, y, words, style, anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{style}" text-anchor="{anchor}">{words}</text>'


def line(x1, y1, x2, y2, style, more=""):
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" class="{style}"{more}/>'


def curve(points, style):
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return f'<path d="M{path}" class="{style}" fill="none" stroke-width="2"/>'


def arrivals(run, seconds):
    """The first panel: answers by their time after the request, as columns and summed up."""
    wide = seconds / COLUMNS
    columns = [0] * COLUMNS
    for ms in run.arrivals:
        columns[min(COLUMNS - 1, int(ms / 1000 / wide))] += 1
    panel = Panel(TOPS[0], seconds, max(*columns, 1) * 1.15)
    yield from panel.axes(f"answers at the client in every {wide:.2g} s after the request")
    leisure = run.leisure / 1000
    if leisure:
        width = panel.x(leisure) - LEFT
        yield f'<rect x="{LEFT}" y="{TOPS[0]}" width="{width:.1f}" height="{PANEL}" class="span" fill-opacity=".08"/>'
        yield line(panel.x(leisure), TOPS[0], panel.x(leisure), TOPS[0] + PANEL, "mark", ' stroke-dasharray="5 4"')
        yield text(LEFT + 6, TOPS[0] + 13, f"leisure {leisure:.3g} s", "marktext")
    else:
        yield text(LEFT + 6, TOPS[0] + 13, "no leisure", "marktext")
    if run.timeout <= seconds:
        yield line(
            panel.x(run.timeout), TOPS[0], panel.x(run.timeout), TOPS[0] + PANEL, "axis", ' stroke-dasharray="2 3"'
        )
        yield text(panel.x(run.timeout) - 6, TOPS[0] + 13, f"T\u2032 {run.timeout} s", "faint", "end")
    for i, count in enumerate(columns):
        if count:
            x, y = panel.x(i * wide), panel.y(count)
            yield (
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{panel.x((i + 1) * wide) - x - 1:.1f}" '
                f'height="{TOPS[0] + PANEL - y:.1f}" class="bar"/>'
            )
    share = Panel(TOPS[0], seconds, run.expected * 1.15)
    top = share.y(run.expected)
    yield line(LEFT, top, WIDTH - RIGHT, top, "sum", ' stroke-dasharray="2 4" stroke-width="1.5"')
    points = [(LEFT, share.y(0))]
    for i, ms in enumerate(sorted(run.arrivals)):
        points.append((share.x(ms / 1000), share.y(i + 1)))
    points = points[:: max(1, len(points) // 400)] + points[-1:] + [(WIDTH - RIGHT, points[-1][1])]
    yield curve(points, "sum")
    label = f"{len(run.arrivals)} of {run.expected} answers in all"
    yield text(WIDTH - RIGHT - 4, points[-1][1] - 6, label, "sumtext", "end")


def load(run, seconds):
    """The second panel: bytes within the last second that were offered to the link, and that it carried."""
    network = run.simulation.network
    offered, carried = (within_second(each.bins, seconds) for each in (network.offered, network.carried))
    panel = Panel(TOPS[1], seconds, max(*offered, network.offered.peak, network.rate, 1) * 1.12)
    yield from panel.axes("load of the link: bytes within the last second, at every time after the start")
    xs = [panel.x((i + 1) * BIN / SECOND) for i in range(len(carried))]
    path = "".join(f"L{x:.1f} {panel.y(value):.1f}" for x, value in zip(xs, carried))
    yield f'<path d="M{LEFT} {panel.y(0):.1f}{path}L{xs[-1]:.1f} {panel.y(0):.1f}Z" class="carried"/>'
    yield curve([(LEFT, panel.y(0))] + [(x, panel.y(value)) for x, value in zip(xs, offered)], "load")
    if network.rate:
        y = panel.y(network.rate)
        yield line(LEFT, y, WIDTH - RIGHT, y, "rate", ' stroke-dasharray="7 4" stroke-width="1.5"')
        yield text(WIDTH - RIGHT - 4, y - 6, f"rate {network.rate} bytes/s", "ratetext", "end")
    yield text(
        WIDTH - RIGHT,
        TOPS[1] - 10,
        f'<tspan class="loadtext">— offered, at most {network.offered.peak}</tspan>'
        '  <tspan class="carried">■</tspan> carried',
        "faint",
        "end",
    )


def within_second(bins, seconds):
    """For each bin the bytes in the second that ends with it, up to the time `seconds`."""
    width = SECOND // BIN
    count = max(1, int(seconds * width))
    bins = (bins + [0] * count)[:count]
    return [sum(bins[max(0, i + 1 - width) : i + 1]) for i in range(count)]


def plot(run, result):
    """The SVG of a `GroupRun` that has ended, as text."""
    network = run.simulation.network
    last = max(run.arrivals, default=0) / 1000
    first_panel = max(last, run.leisure / 1000, 0.1) * 1.04
    second_panel = max(len(network.offered.bins), len(network.carried.bins)) * BIN / SECOND + 1
    if run.requests == 1:  # then both have one origin of time
        first_panel = second_panel = max(first_panel, second_panel)
    title = f"{run.servers} servers answer {run.requests} group request{'s' * (run.requests != 1)}"
    note = "{arrived} of {expected} answers arrived in time, {late} came late, {lost} are lost".format(**result)
    chance = f"loss {100 * network.loss:g} %"
    queue = f"{network.dropped} datagrams dropped by the link's queue"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
            'role="img" font-family="DejaVu Sans, Verdana, Arial, sans-serif" font-size="12">',
            f"<title>{title}: arrivals and load of the link</title>",
            f"<desc>{note}; {chance}; {queue}; peak load offered {network.offered.peak} bytes in a second.</desc>",
            f"<style>{STYLE}</style>",
            f'<rect x=".5" y=".5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="8" class="bg"/>',
            f'<g font-size="15">{text(LEFT, 30, title, "ink")}</g>',
            text(LEFT, 52, f"{note} ({chance}; {queue})", "faint"),
            *arrivals(run, first_panel),
            *load(run, second_panel),
            "</svg>\n",
        ]
    )
