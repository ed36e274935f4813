"""Pieces of the monitor's view: values as text, bars, tables and sections that are cut to a width and a height.

Whatever a node has sent may be missing or of another type than expected: it is shown as "-". Texts of a node never
reach rich as markup.
"""

import math

from rich.cells import cell_len
from rich.text import Text

NONE = "-"


class Glyphs:
    """The characters of bars and rules: of Unicode, or ASCII for terminals that have no other."""

    def __init__(self, ascii_only=False):
        self.ascii_only = ascii_only
        self.used, self.peak, self.rest = ("#", "=", ".") if ascii_only else ("█", "▒", "░")
        self.mark, self.column, self.rule = (">", "|", "-") if ascii_only else ("▸", "│", "─")
        self.arrows = "Up/Down" if ascii_only else "↑↓"


def number(value):
    """The value where it is a finite number, else None."""
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return value if good else None


def table_of(value, key):
    """The dict below a key of what may be a dict; {} where there is none."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def list_of(value, key):
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, list) else []


def shown(value):
    """A value as text; NONE for what is missing or is no single value."""
    if value is None or isinstance(value, (dict, list)) or value == "":
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def duration(seconds):
    """A time as short as "59s", "12m05s", "3h07m", "4d02h"."""
    s = number(seconds)
    if s is None or s < 0:
        return NONE
    s = int(s)
    if s < 60:
        return f"{s}s"
    if s < 3600:
        return f"{s // 60}m{s % 60:02}s"
    if s < 86400:
        return f"{s // 3600}h{s % 3600 // 60:02}m"
    return f"{s // 86400}d{s % 86400 // 3600:02}h"


def size(count):
    """Bytes as "512 B", "61 KB", "1.9 MB"."""
    b = number(count)
    if b is None:
        return NONE
    if abs(b) < 1024:
        return f"{b:.0f} B"
    return f"{b / 1024:.0f} KB" if abs(b) < 1 << 20 else f"{b / (1 << 20):.1f} MB"


def plural(count, noun):
    return f"{count} {noun}{'s' * (count != 1)}"


def bar(width, used, peak, total, glyphs):
    """How much of a total is in use, and the most that ever was. Red where less than a tenth was ever left."""
    used, peak, total = number(used), number(peak), number(total)
    if used is None or not total or total < 0 or width < 1:
        return Text(NONE)
    peak = used if peak is None else max(used, peak)
    full = min(width, max(0, round(width * used / total)))
    ever = min(width, max(full, round(width * peak / total)))
    style = "red" if peak > 0.9 * total else "yellow" if peak > 0.75 * total else "green"
    found = Text()
    found.append(glyphs.used * full, style)
    found.append(glyphs.peak * (ever - full), style)
    found.append(glyphs.rest * (width - ever), "bright_black")
    return found


def cut(text, width):
    """A Text of exactly this width in cells."""
    text = text.copy() if isinstance(text, Text) else Text(text)
    text.truncate(max(0, width), overflow="ellipsis", pad=True)
    return text


def words(text, style=""):
    """A Text whose style ends with it: what is appended doesn't inherit it."""
    return Text().append(text, style)


def item(name, value, style=""):
    """A name, dim, and what it is."""
    found = Text()
    found.append(name + " ", "dim")
    found.append(value if isinstance(value, Text) else Text(str(value), style))
    return found


def count(name, value, bad=False):
    """A counter; of something bad it is red where it isn't 0."""
    return item(name, shown(value), "red" if bad and number(value) else "")


def flow(width, items, gap=2):
    """These Texts one after the other, in as many lines as they take."""
    lines = []
    for each in items:
        if lines and lines[-1].cell_len + gap + each.cell_len <= width:
            lines[-1].append(" " * gap)
            lines[-1].append(each)
        else:
            lines.append(Text().append(each))
    return lines


class Column:
    """Of a table. flexible: gives way where the table is too wide; right: numbers, at the right."""

    def __init__(self, head, flexible=False, right=False):
        self.head, self.flexible, self.right = head, flexible, right


def table(width, columns, rows, gap=1):
    """(head line, lines) of a table. Cells are text or Text; a row with fewer cells ends in one that takes the rest."""
    least = 6
    texts = [[cell if isinstance(cell, Text) else Text(str(cell)) for cell in row] for row in rows]
    widths = [cell_len(column.head) for column in columns]
    for row in texts:
        for i, cell in enumerate(row if len(row) == len(columns) else row[:-1]):
            widths[i] = max(widths[i], cell.cell_len)
    excess = sum(widths) + gap * (len(columns) - 1) - width
    while excess > 0:
        wide = [i for i, column in enumerate(columns) if column.flexible and widths[i] > least]
        if not wide:
            break
        widest = max(wide, key=lambda i: widths[i])
        widths[widest] -= 1
        excess -= 1
    heads = [Text(column.head, "dim") for column in columns]
    return _row(width, columns, widths, heads, gap), [_row(width, columns, widths, row, gap) for row in texts]


def _row(width, columns, widths, cells, gap):
    line = Text()
    for i, cell in enumerate(cells):
        if i:
            line.append(" " * gap)
        if i == len(cells) - 1 and len(cells) < len(columns):
            line.append(cell)
        elif columns[i].right:
            line.append(" " * (widths[i] - cell.cell_len))
            line.append(cut(cell, min(widths[i], cell.cell_len)))
        else:
            line.append(cut(cell, widths[i]))
    return cut(line, width)


class Section:
    """Lines that stay together, and rows below them that may be cut where there is little room, to `few` of them.

    weight: the sections with the least are left out first; last: of the rows, the last are kept.
    """

    def __init__(self, name, weight, lines, rows=(), last=False, few=1):
        self.name, self.weight = name, weight
        self.lines, self.rows, self.last = list(lines), list(rows), last
        self.few = min(few, len(self.rows))

    def least(self):
        return len(self.lines) + self.few

    def cut(self, rows):
        """All its lines, with so many rows: where some are missing, one of them says how many."""
        if rows >= len(self.rows):
            return self.lines + self.rows
        left_out = len(self.rows) - rows + 1
        if self.last:
            return [*self.lines, more(left_out, " above"), *self.rows[left_out:]]
        return [*self.lines, *self.rows[: rows - 1], more(left_out)]


def more(left_out, what=""):
    return Text(f"+{left_out} more{what}", "yellow")


def fit(sections, width, height, skip=0):
    """The lines of these sections in so much room, without so many behind the first. What is left out is said."""
    left_out = sections[1 : 1 + skip]
    kept = [section for section in sections if section.least() and section not in left_out]
    while kept and sum(section.least() for section in kept) + bool(left_out) > height:
        # Who goes on to what is left out wants to see that, whatever its weight.
        left_out.append(kept[-1] if skip else min(kept, key=lambda section: section.weight))
        kept.remove(left_out[-1])
    room = height - sum(section.least() for section in kept) - bool(left_out)
    rows = {section: section.few for section in kept}
    while room > 0 and (wanting := [section for section in kept if rows[section] < len(section.rows)]):
        for section in wanting[:room]:
            rows[section] += 1
            room -= 1
    lines = [line for section in kept for line in section.cut(rows[section])]
    if left_out and height > 0:
        names = [section.name for section in sections if section in left_out]
        lines.append(more(len(left_out), ": " + ", ".join(names)))
    return [cut(line, width) for line in lines]


def around(rows, chosen, height):
    """These rows in so much room, the chosen one among them; a line says how many are missing at either end."""
    if len(rows) <= height:
        return list(rows)
    if height <= 2:
        return [rows[chosen], more(len(rows) - 1)][:height]
    start = min(max(0, chosen - height // 2), len(rows) - height)
    end = start + height
    above, below = start + 1 if start else 0, len(rows) - end + 1 if end < len(rows) else 0
    if above and chosen == start:  # never hide the chosen one behind a remark
        start, end, above = start - 1, end - 1, start
        below = len(rows) - end + 1
    found = list(rows[start:end])
    if above:
        found[0] = more(above, " above")
    if below:
        found[-1] = more(below, " below")
    return found
