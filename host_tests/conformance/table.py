"""Runs the tests of this folder and writes docs/conformance.md: every statement with its test and its result.

`render` makes the same text from results that are given, so that test_table.py can tell whether the file is up to date.
"""

import importlib.util
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent
REPO = FOLDER.parents[1]
TARGET = REPO / "docs" / "conformance.md"

TITLES = {
    "RFC 7252": "The Constrained Application Protocol, §3–§8",
    "RFC 7641": "Observing resources",
    "RFC 7959": "Block-wise transfers",
    "groupcomm-bis": "Group communication, draft-ietf-core-groupcomm-bis-18 §3",
}

HEAD = """\
# Conformance

What the standards ask of a CoAP endpoint and of a member of a group, statement by statement, and the test that shows
it. Made by `make conformance` from the tests in `host_tests/conformance`, which hand datagrams to the library and read
those that it sends. Statements are summarised. TEXT marks a rule that its document gives without a key word of
RFC 2119. Where a statement is not claimed, the reason stands in place of a test.
"""


def modules():
    """Every test file here, imported."""
    found = []
    for path in sorted(FOLDER.glob("test_*.py")):
        if path.stem == "test_table":
            continue
        spec = importlib.util.spec_from_file_location("conformance_" + path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found.append(module)
    return found


def statements():
    """{document: [(file's stem, Statement)]} in the order of the sections."""
    by_document = {name: [] for name in TITLES}
    for module in modules():
        for statement in module.DOCUMENT.statements:
            by_document[statement.document].append((Path(module.__file__).stem, statement))
    for rows in by_document.values():
        rows.sort(key=lambda row: row[1].order())
    return by_document


def render(failed=()):
    """The text of docs/conformance.md; failed: (file's stem, test) of those that do not pass."""
    documents = statements()
    out = [HEAD, "| document | claimed | pass | fail | not claimed |", "| --- | ---: | ---: | ---: | ---: |"]
    sums = [0, 0, 0, 0]
    for name, rows in documents.items():
        claimed = [(stem, each.test) for stem, each in rows if each.test]
        bad = sum(key in failed for key in claimed)
        counts = [len(claimed), len(claimed) - bad, bad, len(rows) - len(claimed)]
        sums = [a + b for a, b in zip(sums, counts)]
        out.append(f"| [{name}](#{anchor(name)}) | " + " | ".join(map(str, counts)) + " |")
    out.append("| all | " + " | ".join(map(str, sums)) + " |")
    for name, rows in documents.items():
        out += ["", f"## {name}", "", TITLES[name] + ".", ""]
        out += ["| § | level | statement | test, or why not claimed | result |", "| --- | --- | --- | --- | --- |"]
        for stem, each in rows:
            if each.test:
                shown = f"[{each.test.removeprefix('test_')}](../host_tests/conformance/{stem}.py)"
                result = "fail" if (stem, each.test) in failed else "pass"
            else:
                shown, result = each.reason, "not claimed"
            out.append(f"| {each.section} | {each.level} | {each.text} | {shown} | {result} |")
    return "\n".join(out) + "\n"


def anchor(name):
    """The fragment of a heading, as code hosts make it."""
    return name.lower().replace(" ", "-")


class Results:
    """A pytest plugin: which tests of this folder did not pass."""

    def __init__(self):
        self.failed = set()
        self.seen = set()

    def pytest_runtest_logreport(self, report):
        path, _, test = report.nodeid.partition("::")
        key = Path(path).stem, test.partition("[")[0]
        self.seen.add(key)
        if report.outcome != "passed":
            self.failed.add(key)


def main():
    results = Results()
    pytest.main(["-q", "--tb=no", "-p", "no:cacheprovider", "--rootdir", str(REPO), str(FOLDER)], plugins=[results])
    claimed = {(stem, each.test) for rows in statements().values() for stem, each in rows if each.test}
    missing = claimed - results.seen
    if missing:
        sys.exit("conformance: not run: " + ", ".join(sorted(test for _, test in missing)))
    failed = results.failed & claimed
    TARGET.write_text(render(failed))
    print(f"{TARGET.relative_to(REPO)}: {len(claimed)} tests, {len(failed)} fail")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.path[:0] = [str(REPO / folder) for folder in ("lib", "tools/cpython", "host_tests", "host_tests/logic")]
    sys.exit(main())
