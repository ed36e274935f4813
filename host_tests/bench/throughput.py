"""Parts (a) and (b) of the bench: programs under load, in alternated rounds, beside a bare loop in the same VM."""

import json
import statistics
import sys
import tempfile
from collections import namedtuple
from contextlib import ExitStack
from pathlib import Path

from running import COAP_SERVER, HERE, INSTALL_LIBCOAP, LOAD, ROOT, Unmeasured, bare, compile_load, load, running

WIDTHS = (8, 32)  # requests or responses in flight
GROUP = "239.255.77.7"
CLIENT, CLIENT_PORT, FIRST_SERVER = "127.0.7.9", 5690, "127.0.8.1"
CEILING = "127.0.7.6"

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


def node(config, heap, folder):
    """The command that runs one groupcoap node with this configuration."""
    path = folder / f"{config['role']}.json"
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
        Program("libcoap", libcoap, without, needed=False, says_ready=False),
    ]


def measure(mode, programs, rounds, seconds, progress):
    """Start every program, then load them in turn: {name: {width: [run]}} and {name: why there is no figure}."""
    runs, missing = {}, {}
    with ExitStack() as started:
        for program in programs:
            try:
                if not program.command:
                    raise Unmeasured(INSTALL_LIBCOAP)
                started.enter_context(running(program.command, program.says_ready))
                runs[program.name] = {width: [] for width in WIDTHS}
            except Unmeasured as reason:
                missing[program.name] = str(reason)
        for width in WIDTHS:
            for turn in range(rounds):
                progress(f"{mode}: {width} in flight, round {turn + 1} of {rounds}")
                for program in programs:
                    if program.name in missing:
                        continue
                    try:
                        run = load(mode, width, seconds, program.arguments)
                        if not run["answers"]:
                            raise Unmeasured(f"no right answer in {seconds:g} s, {run['bad']} wrong ones")
                        runs[program.name][width].append(run)
                    except Unmeasured as reason:
                        missing[program.name] = str(reason)
    return runs, missing


def part(mode, options, table, progress):
    """Measure and print (a) or (b): (figures, failures)."""
    title, listed = {
        "server": ("(a) Requests answered per second: GET /temp, NON", servers),
        "relay": ("(b) Responses to one group request relayed per second", relays),
    }[mode]
    compile_load()
    with tempfile.TemporaryDirectory(prefix="groupcoap-bench-") as folder:
        programs = listed(options.heap, Path(folder))
        runs, missing = measure(mode, programs, options.rounds, options.seconds, progress)
    figures, failures, lines = {}, [], []
    for name, _, _, needed, _ in programs:
        if name in missing:
            figures[name] = {"missing": missing[name]}
            lines.append([name, missing[name]])
            if needed:
                failures.append(f"{mode}: {name}: {missing[name]}")
            continue
        figures[name], line = {}, [name]
        for width in WIDTHS:
            rates = [run["rate"] for run in runs[name][width]]
            figure = {"rates": rates, "median": statistics.median(rates)}
            figure |= {what: sum(run[what] for run in runs[name][width]) for what in ("lost", "bad")}
            line += [f"{figure['median']:,.0f}", f"{min(rates):,.0f}–{max(rates):,.0f}"]
            ratio = "?"
            if programs[0].name not in missing:
                yardstick = [run["rate"] for run in runs[programs[0].name][width]]
                figure["of_bare_loop"] = statistics.median(rate / base for rate, base in zip(rates, yardstick))
                ratio = f"{figure['of_bare_loop']:.2f}"
            line += [ratio, f"{figure['lost']:,}"]
            figures[name][width] = figure
            if needed and figure["bad"]:
                failures.append(f"{mode}: {name}: {figure['bad']} wrong answers with {width} in flight")
        lines.append(line)
    head = [""]
    for width in WIDTHS:
        head += [f"{width} in flight", "min–max", "of bare loop", "lost"]
    table(title, head, lines)
    print(f"  {remark(figures)}", flush=True)
    return figures, failures


def remark(figures):
    """Whether the load generator, and not a program, may have set the pace: a rate near to the one against C."""
    medians = {name: widths[WIDTHS[-1]]["median"] for name, widths in figures.items() if WIDTHS[-1] in widths}
    ceiling = medians.pop("bare loop in C", 0)
    near = [name for name, median in medians.items() if median > ceiling / 1.2]
    if near:
        return f"the load generator may have held back: {', '.join(near)}"
    return "the load generator's ceiling is the bare loop in C: none of the others comes near it"
