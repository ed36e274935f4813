"""What the monitor shows: a frame of lines for a terminal of any size, from what is known of the nodes.

With 120 columns or more the nodes stand at the left, above the log, and the selected one at the right; with fewer, one
below the other. Nothing is left out silently: a line says how much more there is.
"""

import time

from monitor_parts import (
    NONE,
    Column,
    Section,
    around,
    bar,
    count,
    cut,
    duration,
    fit,
    flow,
    item,
    list_of,
    more,
    number,
    plural,
    shown,
    size,
    table,
    table_of,
    words,
)
from rich.text import Text

WIDE = 120  # columns
ROOMY = 60  # columns from which a table has all that it can have
KEYS = (
    ("arrows, Tab", "select a node"),
    ("Space", "go on to what has found no room"),
    ("p", "pause the view, go on"),
    ("j", "write what is known of all nodes into monitor-TIME.json"),
    ("r", "stop the selected node and open its plain REPL; Ctrl-] comes back"),
    ("?", "this help; any key ends it"),
    ("q, Ctrl-C", "quit"),
)
SERVER_KEYS = ("requests", "observers", "resources")
STATE_STYLES = {"running": "green", "connecting": "yellow", "provisioning": "yellow"}


class Mode:
    """What the frame shows beside the nodes: which is selected, how many of its sections are skipped, paused
    or not, help, and a line in place of the keys."""

    def __init__(self):
        self.selected = self.skip = 0
        self.paused = self.help = False
        self.message = None


def name_of(port):
    return port.rsplit("/", 1)[-1] or port


def state_text(seen):
    """How a node is, with how long where that matters."""
    if seen.state == "answering" and seen.missed:
        return Text(f"no answer for {duration(seen.since)}", "yellow")
    if seen.state == "answering":
        said = shown(seen.status.get("state"))
        return Text(said, STATE_STYLES.get(said, ""))
    if seen.state == "unplugged":
        return Text(f"unplugged {duration(seen.since)}", "red")
    return Text(seen.error, "red" if seen.state in ("silent", "unusable") else "yellow")


def slots_of(status):
    """(taken, all) of a proxy's slots, None each where they aren't known."""
    proxy = table_of(status, "proxy")
    slots, free = number(proxy.get("slots")), number(proxy.get("free"))
    return (None if None in (slots, free) else slots - free), slots


def node_rows(seens, selected, width, glyphs):
    """(head, lines) of the table of all nodes."""
    roomy = width >= ROOMY
    columns = [Column(""), Column("node", True), Column("role"), Column("address", True), Column("state", True)]
    columns += [Column("up", right=True), Column("heap"), Column("free", right=True), Column("slots", right=True)]
    if not roomy:
        columns = [columns[0], columns[1], columns[2], columns[4], columns[7]]
    rows = []
    for i, seen in enumerate(seens):
        status = seen.status or {}
        mark = glyphs.mark if i == selected else " "
        name = Text(name_of(seen.port), "bold" if i == selected else "")
        role, address = shown(status.get("role")), Text(shown(status.get("address")).removesuffix(":5683"))
        state = state_text(seen)
        if seen.state != "answering" or seen.missed:
            # At its full length: this is what one looks for.
            rows.append([mark, name, role, address, state] if roomy else [mark, name, role, state])
            continue
        heap = table_of(status, "heap")
        free = Text(size(heap.get("free")))
        if not roomy:
            rows.append([mark, name, role, state, free])
            continue
        taken, slots = slots_of(status)
        in_use = NONE if taken is None else f"{taken}/{slots}"
        rows.append(
            [mark, name, role, address, state, duration(status.get("uptime")), heap_bar(heap, 8, glyphs), free, in_use]
        )
    return table(width, columns, rows)


def heap_bar(heap, width, glyphs):
    free, low, total = (number(heap.get(key)) for key in ("free", "low", "total"))
    if None in (free, total):
        return Text(NONE)
    return bar(width, total - free, None if low is None else total - low, total, glyphs)


def about(seen, width):
    status = seen.status or {}
    first = Text(shown(status.get("role")), "bold")
    items = [first, Text(shown(status.get("board"))), item("firmware", shown(status.get("version")))]
    items += [item("address", shown(status.get("address"))), item("up", duration(status.get("uptime")))]
    items += [state_text(seen), item("port", seen.port, "dim")]
    lines = flow(width, items)
    groups = [Text(shown(group)) for group in list_of(status, "groups")]
    head = item("groups", groups[0] if groups else NONE)
    return Section("node", 100, lines, flow(width, [head, *groups[1:]]))


def heap_section(status, width, glyphs):
    heap = table_of(status, "heap")
    said = f"{size(heap.get('free'))} free of {size(heap.get('total'))}, least {size(heap.get('low'))}"
    room = min(30, width - len(said) - 8)
    line = words("heap  ", "dim")
    if room >= 4:
        line.append(heap_bar(heap, room, glyphs))
        line.append("  ")
    line.append(said)
    return Section("heap", 95, [line])


def wifi_section(status, width):
    wifi = table_of(status, "wifi")
    if not wifi:
        return Section("Wi-Fi", 80, [item("Wi-Fi", NONE)])
    state = shown(wifi.get("state"))
    items = [item("Wi-Fi", Text(state, "green" if state == "up" else "yellow")), Text(shown(wifi.get("ssid")))]
    rssi = number(wifi.get("rssi"))
    items.append(Text(f"{shown(rssi)} dBm" if rssi is not None else "rssi -", "yellow" if (rssi or 0) < -75 else ""))
    items.append(count("outages", wifi.get("outages")))
    if wifi.get("reason"):
        items.append(Text(shown(wifi.get("reason")), "yellow"))
    return Section("Wi-Fi", 80, flow(width, items))


def counters_section(status, width):
    items = []
    server = table_of(status, "server")
    if server:
        more_keys = [key for key in server if key not in SERVER_KEYS]
        items += [count(key, server.get(key)) for key in (*SERVER_KEYS, *more_keys[:6])]
    items += [count("faults", status.get("faults"), True), count("lost", status.get("lost"), True)]
    items += [count("no memory", status.get("no_memory"), True), count("send errors", status.get("send_errors"), True)]
    return Section("counters", 75, flow(width, items))


def exchanges_section(status, width, glyphs):
    proxy = table_of(status, "proxy")
    taken, slots = slots_of(status)
    said = f"{shown(taken)} of {shown(slots)} in use, {shown(proxy.get('ended'))} ended"
    head = words("slots  ", "dim")
    if width >= 56:
        head.append(bar(16, taken, None, slots, glyphs))
        head.append("  ")
    head.append(said)
    exchanges = [each for each in list_of(proxy, "exchanges") if isinstance(each, dict)]
    wide = width >= 44
    columns = [Column("target", True), *([Column("client", True)] if wide else []), Column("age", right=True)]
    columns += [Column("left", right=True), Column("answers", right=True), Column("")]
    rows = []
    for each in exchanges:
        kind = "obs" if each.get("observed") is True else "grp" if each.get("group") is True else ""
        row = [shown(each.get("target")), *([shown(each.get("client"))] if wide else []), duration(each.get("age"))]
        rows.append([*row, duration(each.get("left")), shown(each.get("answers")), kind])
    title, lines = table(width, columns, rows)
    lines = unlisted(lines, taken)
    return Section("slots", 90, [head, title] if lines else [head], lines, few=3)


def unlisted(lines, total):
    """A node lists 32 of a kind at most; where it has more, say so."""
    total = number(total)
    if total is not None and total > len(lines) and lines:
        return [*lines, more(total - len(lines), ", which the node does not list")]
    return lines


def clients_section(status, width):
    clients = [each for each in list_of(table_of(status, "proxy"), "clients") if isinstance(each, dict)]
    keys = ("open", "requests", "refused")
    rows = []
    for each in clients:
        refused = Text(shown(each.get("refused")), "yellow" if number(each.get("refused")) else "")
        rows.append([shown(each.get("client")), *(shown(each.get(key)) for key in keys[:2]), refused])
    title, lines = table(width, [Column("client", True), *(Column(key, right=True) for key in keys)], rows)
    return Section("clients", 55, [title] if lines else [item("clients", NONE)], lines, few=2)


def refusals_section(status, width):
    proxy = table_of(status, "proxy")
    items = []
    for key in ("refusals", "reasons"):  # by code, then why
        items += [item(what, shown(times), "yellow") for what, times in sorted(table_of(proxy, key).items())]
    head = item("refusals", items[0] if items else "none")
    return Section("refusals", 85, flow(width, [head, *items[1:]]))


def cache_section(status, width):
    cache = table_of(table_of(status, "proxy"), "cache")
    if not cache:
        return Section("cache", 45, [item("cache", NONE)])
    items = [item("cache", plural(shown(cache.get("entries")), "entry").replace("entrys", "entries"))]
    items.append(Text(size(cache.get("bytes"))))
    items += [count(key, cache.get(key)) for key in ("served", "valid", "stored", "evicted")]
    return Section("cache", 45, flow(width, items))


def traffic_section(status, width):
    proxy = table_of(status, "proxy")
    keys = [("unusable", True), ("unmatched", False), ("faulty", True), ("observations", False)]
    items = [count(key, proxy.get(key), bad) for key, bad in keys]
    if "aggregated_lost" in proxy:
        items.append(count("aggregated lost", proxy.get("aggregated_lost"), True))
    return Section("datagrams", 40, flow(width, items))


def log_section(seen, width):
    lines = list_of(seen.status, "log") if seen.state == "answering" else []
    lines = [shown(line) for line in lines] or seen.lines[-8:] or list_of(seen.status, "log")
    rows = [Text(shown(line), "" if "error" not in shown(line)[:20] else "red") for line in lines]
    return Section("log", 50, [Text("last log lines", "dim")] if rows else [item("log", NONE)], rows, last=True, few=2)


def sections(seen, width, glyphs, log=True):
    """All that there is to say of a node."""
    found = [about(seen, width)]
    status = seen.status
    if status is not None and seen.state != "answering":
        found.append(Section("age", 99, [Text("what follows is of its last answer", "yellow")]))
    if status is not None:
        found += [heap_section(status, width, glyphs), wifi_section(status, width), counters_section(status, width)]
        if status.get("role") == "proxy" or "proxy" in status:
            found += [exchanges_section(status, width, glyphs), refusals_section(status, width)]
            found += [clients_section(status, width), cache_section(status, width), traffic_section(status, width)]
    return found + ([log_section(seen, width)] if log else [])


def header(seens, mode, width, at):
    answering = sum(seen.state == "answering" for seen in seens)
    line = words("groupcoap monitor", "bold")
    nodes = f"{plural(len(seens), 'node')}, {answering} answering" if width >= 60 else f"{answering}/{len(seens)}"
    line.append("  " + nodes)
    right = words("paused  " if mode.paused else "", "yellow")
    right.append(time.strftime("%H:%M:%S", time.localtime(at)))
    line = cut(line, width - right.cell_len - 1)
    line.append(" ")
    line.append(right)
    return cut(line, width)


def footer(mode, width, glyphs):
    if mode.message is not None:
        return cut(Text(mode.message, "yellow"), width)
    keys = [f"{glyphs.arrows} select", "p pause", "j JSON", "r REPL", "q quit", "? help"]
    for gap in ("   ", "  ", " "):
        line = gap.join(keys)
        if len(line) <= width:
            return cut(Text(line, "dim"), width)
    return cut(Text("q quit  ? help", "dim"), width)


def help_lines(width, height):
    rows = []
    for key, what in KEYS:
        lines = flow(width - 13, [Text(word) for word in what.split()], 1)
        rows += [Text(f"{key if i == 0 else '':<12} ").append(line) for i, line in enumerate(lines)]
    return fit([Section("keys", 1, [Text("keys", "bold")], rows)], width, height)


def frame(seens, mode, width, height, glyphs, at):
    """The lines of a terminal of this size, in number and width exactly."""
    width, height = max(1, width), max(1, height)
    selected = min(mode.selected, len(seens) - 1)
    room = max(0, height - 3)  # beside header, rule and footer
    rule = Text(glyphs.rule * width, "bright_black")
    if mode.help:
        body = help_lines(width, room)
    elif width >= WIDE:
        body = side_by_side(seens, mode, selected, width, room, glyphs)
    else:
        body = stacked(seens, mode, selected, width, room, glyphs)
    body += [Text("")] * (room - len(body))
    lines = [header(seens, mode, width, at), rule, *body, footer(mode, width, glyphs)]
    return [cut(line, width) for line in lines][-height:]


def detail(found, mode, width, height):
    """The sections of the selected node, from where Space has gone on to."""
    if sum(len(section.lines) + len(section.rows) for section in found) <= height:
        mode.skip = 0
    return fit(found, width, height, mode.skip % len(found))


def side_by_side(seens, mode, selected, width, height, glyphs):
    seen = seens[selected]
    left_width = max(64, width * 9 // 20)
    right_width = width - left_width - 3
    head, rows = node_rows(seens, selected, left_width, glyphs)
    log = log_section(seen, left_width)
    log_height = min(len(log.rows) + len(log.lines) + 1, max(4, height // 3))
    listed = around(rows, selected, max(1, height - 1 - log_height))
    left = [head, *listed, Text("")]
    left += fit([log], left_width, height - len(left))
    right = detail(sections(seen, right_width, glyphs, log=False), mode, right_width, height)
    between = Text(f" {glyphs.column} ", "bright_black")
    lines = []
    for i in range(height):
        line = cut(left[i] if i < len(left) else "", left_width)
        line.append(between)
        lines.append(line.append(right[i]) if i < len(right) else line)
    return lines


def stacked(seens, mode, selected, width, height, glyphs):
    lines = []
    if len(seens) > 1:
        head, rows = node_rows(seens, selected, width, glyphs)
        lines = around(rows, selected, max(2, height // 4))
        if height >= 30:
            lines.insert(0, head)
        lines.append(Text(glyphs.rule * width, "bright_black"))
    return lines + detail(sections(seens[selected], width, glyphs), mode, width, height - len(lines))


def plain(seens, width, glyphs, at):
    """All nodes whole, one below the other: for a file or a pipe."""
    lines = [header(seens, Mode(), width, at)]
    for seen in seens:
        lines.append(Text(""))
        found = sections(seen, width, glyphs)
        lines += fit(found, width, 10_000)
    for line in lines:
        line.rstrip()
    return lines
