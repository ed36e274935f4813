"""Programs of other people that speak CoAP, and programs of ours on the unix port, as processes of a test."""

import contextlib
import os
import subprocess
import sys
import time

import peers
import support

LINES = b"".join(b"%015d\n" % i for i in range(4096))  # 64 KB
SIZES = [16, 32, 64, 128, 256, 512, 1024]


def output(*command):
    """What a program prints that ends with status 0."""
    process = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def libcoap_client(*arguments):
    """What libcoap's client prints on stdout and stderr together; its status says nothing of the response."""
    command = [support.libcoap("coap-client"), "-B", "20", *map(str, arguments)]
    process = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    assert process.returncode == 0, process.stdout
    return process.stdout


def vm_command(program, *arguments, folder, heap):
    """(command, environment) that runs a module of host_tests/vm on the unix port, compiled as a board has it."""
    sys.path.insert(0, str(support.REPO / "tools"))
    import compiled

    mpy_cross = compiled.tool("mpy-cross", "MPY_CROSS")
    library = compiled.compile_tree(mpy_cross)
    source = support.REPO / "host_tests/vm" / f"{program}.py"
    subprocess.run([mpy_cross, "-o", folder / f"{program}.mpy", source], check=True)
    command = [support.micropython(), "-X", f"heapsize={heap}", "-m", program, *arguments]
    return command, {**os.environ, "MICROPYPATH": f"{folder}:{library}:.frozen"}


@contextlib.contextmanager
def vm_program(program, *arguments, folder, heap):
    """Such a program as a process, from its line "ready ..." until the end of the block."""
    command, environment = vm_command(program, *arguments, folder=folder, heap=heap)
    log = folder / f"{program}.log"
    with open(log, "wb") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment)
    try:
        end = time.monotonic() + support.READY_S
        while not log.read_bytes().startswith(b"ready "):
            assert process.poll() is None and time.monotonic() < end, log.read_text(errors="replace")
            time.sleep(0.005)
        yield process
        assert process.poll() is None, f"{program} ended with status {process.returncode}"
    finally:
        process.terminate()
        process.wait()
        print(f"--- {program}\n{log.read_text(errors='replace')[-4000:]}", end="")


@contextlib.contextmanager
def serving(address, *command):
    """Another implementation's server, from the moment that it answers a ping until the end of the block."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            client, end = peers.Peer("127.0.0.1"), time.monotonic() + peers.ANSWER_S
            while not client.collect(1, 0.05):
                assert process.poll() is None and time.monotonic() < end, f"{command[0]} does not serve"
                client.send((address, peers.PORT), code="0.00", token=b"")
            yield
        finally:
            process.terminate()
