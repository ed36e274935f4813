"""Parts (a) and (b) of the bench: programs under load, in alternated rounds, beside a bare loop in the same VM."""

import json
import statistics
import sys
import tempfile
from collections import namedtuple
from contextlib import ExitStack
from pathlib import Path

from running import (
    CLIENTS,
    COAP_SERVER,
    HERE,
    INSTALL_LIBCOAP,
    LOAD,
    ROOT,
    Unmeasured,
    bare,
    compile_load,
    load,
    running,
)

WIDTHS = (8, 32)  # requests or responses in flight
WAYS = [(client, width) for client in CLIENTS for width in WIDTHS]
# Of the bare loop under the same load, for a client that waits: what one that spins shows has no target.
TARGETS = {"server": {8: 0.75, 32: 0.60}, "relay": {8: 0.80, 32: 0.65}}
MEANING = (
    "waiting: the client sleeps until an answer comes, and wake-ups slow all alike; the targets are for this one. "
    "spinning: it never\n  sleeps, so the loop has always something to do: the harder view. "
    "of loop: of the bare loop under the same client, in the same round"
)
GROUP = "239.255.77.7"
CLIENT, CLIENT_PORT, FIRST_SERVER = "127.0.7.9", 5690, "127.0.8.1"
CEILING = "127.0.7.6"
COMPLETE = "127.0.7.13"

# command: what to run, or None where it is not installed; arguments: of the load generator; needed: its absence is a
# failure; says_ready: it prints `ready` when it can be asked.
Program = namedtuple("Program", "name command arguments needed says_ready", defaults=(True, True))

SERVER = {
    "role": "server",
    "address": "127.0.7.2",
    "multicast_interface": "127.0.0.1",
    "groups": [GROUP],
    "leisure_s": 0.25,
    "resources": {"temp": {"value": "21.5", "content_format": 0}},
}
PROXY = {
    "role": "proxy",
    "address": "127.0.7.10",
    "multicast_interface": "127.0.0.1",
    "token_slots": 16,
    "proxy": {
        "mode": "forward",
        "max_timeout_s": 120,
        "allow": [{"client": CLIENT, "groups": [GROUP], "unicast": True}],
    },
}


def complete():
    """The configuration of a proxy with all its features, the cache among them."""
    features = json.loads((ROOT / "host_tests" / "vm" / "complete_proxy.json").read_text())["proxy"]
    del features["probing_rate"]  # of that there is much here
    return {**PROXY, "address": COMPLETE, "proxy": {**PROXY["proxy"], **features}}


def node(config, heap, folder):
    """The command that runs one groupcoap node with this configuration."""
    path = folder / f"{config['address']}.json"
    path.write_text(json.dumps(config))
    return [sys.executable, ROOT / "tools" / "node", path, "--heap", heap]


def servers(heap, folder):
    """Those that answer GET /temp: the yardstick, then the same job in C, which is as fast as the load gets."""
    libcoap = COAP_SERVER and [COAP_SERVER, "-A", "127.0.7.5", "-v", "2"]
    aiocoap = [sys.executable, HERE / "aiocoap_server.py", "127.0.7.4", 5683]
    return [
        Program("bare loop", bare("base_echo.py", heap, "127.0.7.3", 5683), ["-e", "-a", "127.0.7.3"]),
        Program("bare loop in C", [LOAD, "reflect", "-a", CEILING], ["-e", "-a", CEILING]),
        Program("groupcoap", node(SERVER, heap, folder), ["-a", "127.0.7.2"]),
        Program("libcoap", libcoap, ["-a", "127.0.7.5", "-u", "time"], needed=False, says_ready=False),
        Program("aiocoap", aiocoap, ["-a", "127.0.7.4"]),
    ]


def relays(heap, folder):
    """Those that pass the responses to one group request on to the client, in the same order.

    libcoap's proxy has no choice of interface for multicast, so its group is joined on the default one (0.0.0.0; one
    datagram with TTL 1 a round). It passes every response on, without its origin and with no T′ to keep; it takes other
    hosts for targets only when it has a name of its own ("proxy").
    """
    fixed = ["-l", CLIENT, "-q", CLIENT_PORT, "-s", FIRST_SERVER]
    group = ["-l", CLIENT, "-g", GROUP, "-s", FIRST_SERVER]
    libcoap = COAP_SERVER and [COAP_SERVER, "-A", "127.0.7.12", "-P", ",proxy", "-v", "2"]
    loop = bare("base_relay.py", heap, "127.0.7.11", 5683, CLIENT, CLIENT_PORT)
    without = ["-a", "127.0.7.12", "-t", 0, "-i", "0.0.0.0", *group]
    return [
        Program("bare loop", loop, ["-e", "-a", "127.0.7.11", *fixed]),
        Program("bare loop in C", [LOAD, "forward", "-a", CEILING, *fixed], ["-e", "-a", CEILING, *fixed]),
        Program("groupcoap", node(PROXY, heap, folder), ["-r", "-a", "127.0.7.10", *group]),
        Program("groupcoap, complete", node(complete(), heap, folder), ["-r", "-a", COMPLETE, *group]),
        Program("libcoap", libcoap, without, needed=False, says_ready=False),
    ]


def measure(mode, programs, rounds, seconds, progress):
    """Start every program, then load them in turn: {name: {(client, width): [run]}} and {name: why there is none}."""
    runs, missing = {}, {}
    with ExitStack() as started:
        for program in programs:
            try:
                if not program.command:
                    raise Unmeasured(INSTALL_LIBCOAP)
                started.enter_context(running(program.command, program.says_ready))
                runs[program.name] = {way: [] for way in WAYS}
            except Unmeasured as reason:
                missing[program.name] = str(reason)
        for client, width in WAYS:
            for turn in range(rounds):
                progress(f"{mode}: {client} client, {width} in flight, round {turn + 1} of {rounds}")
                for program in programs:
                    if program.name in missing:
                        continue
                    try:
                        run = load(mode, client, width, seconds, program.arguments)
                        if not run["answers"]:
                            raise Unmeasured(f"no right answer in {seconds:g} s, {run['bad']} wrong ones")
                        runs[program.name][client, width].append(run)
                    except Unmeasured as reason:
                        missing[program.name] = str(reason)
    return runs, missing


def part(mode, options, table, progress):
    """Measure and print (a) or (b): (figures, failures). Figures: {program: {client: {width: figure}}}."""
    title, listed = {
        "server": ("(a) Requests answered per second: GET /temp, NON; by client and requests in flight", servers),
        "relay": ("(b) Responses to one group request relayed per second; by client and responses in flight", relays),
    }[mode]
    compile_load()
    with tempfile.TemporaryDirectory(prefix="groupcoap-bench-") as folder:
        programs = listed(options.heap, Path(folder))
        runs, missing = measure(mode, programs, options.rounds, options.seconds, progress)
    figures, failures, lines = {}, [], []
    yardstick = None if programs[0].name in missing else runs[programs[0].name]
    for name, _, _, needed, _ in programs:
        if name in missing:
            figures[name] = {"missing": missing[name]}
            lines.append([name, missing[name]])
            if needed:
                failures.append(f"{mode}: {name}: {missing[name]}")
            continue
        figures[name] = {client: {} for client in CLIENTS}
        line, spread, lost = [name], 0, 0
        for client, width in WAYS:
            figure = summary(runs[name][client, width], yardstick and yardstick[client, width])
            figures[name][client][width] = figure
            line += [f"{figure['median']:,.0f}", f"{figure['of_bare_loop']:.2f}" if yardstick else "?"]
            spread = max(spread, (max(figure["rates"]) - min(figure["rates"])) / figure["median"])
            lost += figure["lost"]
            if needed and figure["bad"]:
                failures.append(f"{mode}: {name}: {figure['bad']} wrong answers, {client} client, {width} in flight")
        lines.append([*line, f"{spread:.0%}", f"{lost:,}"])
    if yardstick and "groupcoap" in runs and "libcoap" in runs and not missing.keys() & {"groupcoap", "libcoap"}:
        lines.append(beside_libcoap(runs))
    lines.append(target_line(mode))
    head = [""]
    for client, width in WAYS:
        head += [f"{client}, {width}", "of loop"]
    table(title, [*head, "spread", "lost"], lines)
    for sentence in (MEANING, remark(figures)):
        print(f"  {sentence}", flush=True)
    return figures, failures


def summary(runs, yardstick):
    """The figure of one program in one way of loading it; yardstick: the bare loop's runs in the same rounds."""
    rates = [run["rate"] for run in runs]
    figure = {"rates": rates, "median": statistics.median(rates)}
    figure |= {what: sum(run[what] for run in runs) for what in ("lost", "bad")}
    if yardstick:
        figure["of_bare_loop"] = statistics.median(rate / base["rate"] for rate, base in zip(rates, yardstick))
    return figure


def beside_libcoap(runs):
    """The line that tells how many times libcoap's rate groupcoap's is: medians of the rounds' ratios."""
    line = ["groupcoap, of libcoap"]
    for way in WAYS:
        pairs = zip(runs["groupcoap"][way], runs["libcoap"][way])
        line += ["", f"{statistics.median(ours['rate'] / theirs['rate'] for ours, theirs in pairs):.2f}"]
    return [*line, "", ""]


def target_line(mode):
    line = ["target of groupcoap"]
    for client, width in WAYS:
        line += ["", f"{TARGETS[mode][width]:.2f}" if client == "waiting" else "-"]
    return [*line, "", ""]


def missed(mode, figures):
    """What misses its target, of the figures of one part."""
    for width, target in TARGETS[mode].items():
        ratio = figures.get("groupcoap", {}).get("waiting", {}).get(width, {}).get("of_bare_loop")
        if ratio is not None and ratio < target:
            yield f"{mode}: {ratio:.2f} of the bare loop, waiting client with {width} in flight, wanted {target:.2f}"


def remark(figures):
    """Whether the load generator, and not a program, may have set the pace: a rate near to the one against C."""
    near = []
    for client in CLIENTS:
        medians = {name: found[client][WIDTHS[-1]]["median"] for name, found in figures.items() if client in found}
        ceiling = medians.pop("bare loop in C", 0)
        near += [f"{name} ({client})" for name, median in medians.items() if median > ceiling / 1.2]
    if near:
        return f"the load generator may have held back: {', '.join(near)}"
    return "the load generator's ceiling is the bare loop in C: none of the others comes near it"
