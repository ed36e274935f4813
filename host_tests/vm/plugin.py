"""Makes pytest run each logic test on every VM.

A logic test is a plain `def test_*()` in a file of a folder `logic`: no pytest, no fixtures, no sockets. On CPython
pytest runs it as ever; beside that, each becomes an item `test_name[unix]` and `test_name[wasm32]`. A file that suits
only some VMs says so: `VMS = ("cpython", "unix")`.
"""

import ast
from collections import Counter
from pathlib import Path

import pytest
from support import missing
from vm import runner


def pytest_pycollect_makemodule(module_path, parent):
    if module_path.parent.name == "logic":
        return LogicFile.from_parent(parent, path=module_path)


class LogicFile(pytest.Module):
    def collect(self):
        # Read, not imported: a file for other VMs only may hold what CPython cannot import.
        tests, vms = {}, tuple(runner.TITLES)
        for node in ast.parse(self.path.read_bytes(), self.path).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                tests[node.name] = node.lineno
            elif isinstance(node, ast.Assign) and any(getattr(t, "id", None) == "VMS" for t in node.targets):
                vms = ast.literal_eval(node.value)
        unknown = set(vms) - set(runner.TITLES)
        if unknown:
            raise self.CollectError(f"VMS: unknown {sorted(unknown)}, known are {list(runner.TITLES)}")
        if "cpython" in vms:
            yield from super().collect()
        for vm in vms:
            if vm != "cpython":
                for test, line in tests.items():
                    yield VMItem.from_parent(self, name=f"{test}[{vm}]", test=test, vm=vm, line=line)


class VMItem(pytest.Item):
    def __init__(self, *, test, vm, line, **kwargs):
        super().__init__(**kwargs)
        self.test, self.vm, self.line = test, vm, line

    def runtest(self):
        try:
            result = self._results()[self.test]
        except runner.Missing as reason:
            missing(str(reason))
        if result.output.strip():
            self.add_report_section("call", "stdout", result.output)
        if result.error:
            raise FailedThere(result.error)

    def _results(self):
        """The results of this file on this VM. The first item that asks has it run, with every item selected."""
        results = self.session.stash.setdefault(_RESULTS, {})
        key = self.path, self.vm
        if key not in results:
            items = [i for i in self.session.items if isinstance(i, VMItem) and (i.path, i.vm) == key]
            results[key] = runner.run(self.vm, self.path, [i.test for i in items])
        return results[key]

    def repr_failure(self, excinfo):
        return str(excinfo.value) if excinfo.errisinstance(FailedThere) else super().repr_failure(excinfo)

    def reportinfo(self):
        return self.path, self.line - 1, self.name


class FailedThere(Exception):
    """A test failed on its VM; the message is the traceback from there."""


_RESULTS = pytest.StashKey[dict]()


def pytest_terminal_summary(terminalreporter):
    counts = {vm: Counter() for vm in runner.TITLES}
    for outcome in ("passed", "failed", "skipped"):
        for report in terminalreporter.stats.get(outcome, ()):
            path, _, name = report.nodeid.partition("::")
            if Path(path).parent.name == "logic" and name:
                counts[name.partition("[")[2].rstrip("]") or "cpython"][outcome] += 1
    if any(counts.values()):
        line = ", ".join(_counted(title, counts[vm]) for vm, title in runner.TITLES.items())
        terminalreporter.write_line(f"logic tests: {line}")


def _counted(title, count):
    others = "".join(f", {count[outcome]} {outcome}" for outcome in ("failed", "skipped") if count[outcome])
    return f"{title} {count['passed']} passed" + (f" ({others[2:]})" if others else "")
