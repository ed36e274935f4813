"""Shows that the harness tells a failing test from a passing one, on each VM, and a missing VM from both."""

import ipaddress
import os
import subprocess
import sys

import pytest
import support
from support import REPO, missing
from vm import runner

OTHER_VMS = ("unix", "wasm32")

MIXED = """\
def test_good():
    assert True


def test_bad():
    left = 1
    assert left == 2, "left is not right"


def test_exits():
    raise SystemExit


def test_good_again():
    print("after the others")
"""

CRASHING = """\
import uctypes


def test_before():
    pass


def test_end():
    uctypes.bytearray_at(0, 4)[0] = 1


def test_after():
    pass
"""

HANGING = """\
def test_before():
    pass


def test_hangs():
    while True:
        pass
"""


@pytest.fixture
def logic(tmp_path):
    """logic(text) is the path of a new file of logic tests."""

    def write(text):
        path = tmp_path / "logic/test_sample.py"
        path.parent.mkdir()
        path.write_text(text)
        return path

    return write


def run(vm, path, *tests):
    try:
        return runner.run(vm, path, list(tests))
    except runner.Missing as reason:
        missing(str(reason))


def run_pytest(path, **env):
    """Run pytest on the file as `make test` would: exit status and output."""
    # conftest.py is not above the file, so the plugin is named. Without the plugins not needed pytest starts faster.
    env = {**os.environ, "PYTHONPATH": str(REPO / "host_tests"), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **env}
    command = [sys.executable, "-m", "pytest", "-c", REPO / "pyproject.toml", "--rootdir", path.parents[1]]
    command += ["-p", "vm.plugin", "-p", "pytest_timeout", "-p", "no:cacheprovider", "-q", path]
    process = subprocess.run(command, env=env, capture_output=True, text=True)
    return process.returncode, process.stdout + process.stderr


@pytest.mark.parametrize("vm", OTHER_VMS)
def test_failing_test_fails_alone_and_shows_where(vm, logic):
    path = logic(MIXED)
    results = run(vm, path, "test_good", "test_bad", "test_exits", "test_good_again")
    assert [name for name in results if results[name].error is None] == ["test_good", "test_good_again"]
    assert f'File "{path}", line 7, in test_bad' in results["test_bad"].error
    assert 'assert left == 2, "left is not right"\nAssertionError: left is not right' in results["test_bad"].error
    assert "SystemExit" in results["test_exits"].error
    assert "after the others" in results["test_good_again"].output


@pytest.mark.parametrize("vm", OTHER_VMS)
def test_file_that_cannot_be_imported_fails_each_of_its_tests(vm, logic):
    results = run(vm, logic("import no_such_module\n"), "test_one", "test_two")
    assert all("no_such_module" in results[name].error for name in ("test_one", "test_two"))


def test_end_of_the_vm_fails_the_tests_not_reported(logic):
    results = run("unix", logic(CRASHING), "test_before", "test_end", "test_after")
    assert results["test_before"].error is None
    assert results["test_end"].error == "unix port was ended by SIGSEGV in this test"
    assert results["test_after"].error == "unix port was ended by SIGSEGV in test_end, before this test"


@pytest.mark.parametrize("vm", OTHER_VMS)
def test_hanging_test_is_named(vm, logic, monkeypatch):
    monkeypatch.setattr(runner, "TIMEOUT_S", 1)
    results = run(vm, logic(HANGING), "test_before", "test_hangs")
    assert results["test_before"].error is None
    assert results["test_hangs"].error == f"{runner.TITLES[vm]} was still running after 1 s in this test"


@pytest.mark.parametrize("vm", OTHER_VMS)
def test_pytest_reports_each_failure_and_counts_it(vm, logic):
    run(vm, REPO / "host_tests/logic/test_vm.py")  # is it there?
    text = MIXED.replace("SystemExit", "ValueError")  # which pytest itself would stop for
    status, output = run_pytest(logic(f'VMS = ("cpython", "{vm}")\n\n\n{text}'))
    assert status == 1
    for name in ("cpython", vm):
        assert f"{runner.TITLES[name]} 2 passed (2 failed)" in output
    assert "4 failed, 4 passed" in output
    assert f"_ test_bad[{vm}] _" in output


def test_file_may_name_its_vms(logic):
    run("unix", REPO / "host_tests/logic/test_vm.py")  # is it there?
    status, output = run_pytest(logic('VMS = ("unix",)\nimport uctypes\ndef test_it():\n    assert uctypes\n'))
    assert (status, "CPython 0 passed, unix port 1 passed, 32-bit WebAssembly 0 passed" in output) == (0, True), output


def test_file_that_names_an_unknown_vm_is_an_error(logic):
    status, output = run_pytest(logic('VMS = ("unixx",)\ndef test_it(): pass\n'))
    assert status == 2
    assert "unknown ['unixx']" in output


@pytest.mark.parametrize(("ci", "outcome", "status"), [("", "skipped", 0), ("true", "failed", 1)])
def test_missing_vm_is_skipped_but_fails_under_ci(ci, outcome, status, logic):
    path = logic("def test_it(): pass\n")
    ended, output = run_pytest(path, CI=ci, MICROPYTHON="/nowhere/micropython", PATH="")
    assert ended == status
    assert f"CPython 1 passed, unix port 0 passed (1 {outcome}), 32-bit WebAssembly 0 passed (1 {outcome})" in output
    assert "MICROPYTHON names /nowhere/micropython, which is not a program" in output
    assert "apt-get install nodejs npm, then npm ci" in output


NODE = """\
import json, os, signal, sys
config = json.load(open(sys.argv[1]))
print(sys.argv[2:], file=sys.stderr, flush=True)
signal.signal(signal.SIGTERM, lambda *_: os._exit(config["status"]))
if config["ready"]:
    print("ready", config["role"], "coap://" + config["address"] + ":5683", flush=True)
    signal.pause()
sys.exit(2)
"""


@pytest.fixture
def stub(tmp_path, monkeypatch):
    """stub(ready, status) starts what behaves as tools/node does: says that it is ready, ends with a status."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/node").write_text(NODE)
    monkeypatch.setattr(support, "REPO", tmp_path)
    started = []

    def start(ready=True, status=0):
        config = {"role": "server", "address": "127.1.2.3", "ready": ready, "status": status}
        started.append(support.Node(config, tmp_path / "node", heap="64K"))
        return started[-1]

    yield start
    for each in started:
        each.kill()


def test_node_is_ready_and_ends(stub):
    node = stub()
    assert (node.role, node.address, node.port) == ("server", "127.1.2.3", 5683)
    assert node.stderr() == "['--heap', '64K']\n"
    node.stop()
    node.stop()  # again is nothing
    assert node.process.returncode == 0


def test_node_that_ends_with_another_status_is_a_failure(stub):
    node = stub(status=3)
    with pytest.raises(AssertionError, match="status 3"):
        node.stop()


def test_node_that_does_not_become_ready_is_a_failure(stub):
    with pytest.raises(AssertionError, match="(?s)ended with status 2.*--heap"):
        stub(ready=False)


def test_addresses_are_of_one_test_alone():
    one, other = support.Lan(), support.Lan()
    hosts = [lan.address() for lan in (one, other) for _ in range(254)]
    groups = [lan.group() for lan in (one, other) for _ in range(100)]
    assert len(set(hosts)) == 508
    assert len(set(groups)) == 200
    assert all(ipaddress.ip_address(host).is_loopback for host in hosts)
    assert all(ipaddress.ip_address(group) in ipaddress.ip_network("239.255.0.0/16") for group in groups)
