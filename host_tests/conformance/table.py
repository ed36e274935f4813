"""Runs the tests of one folder and writes its document: every statement with its test and its result.

`python table.py [NAME]` makes docs/NAME.md, one of TABLES. `Table.render` makes the same text from results that are
given, so that test_table.py can tell whether the file is up to date.
"""

import importlib.util
import sys
from pathlib import Path

import pytest

HOST_TESTS = Path(__file__).resolve().parents[1]
REPO = HOST_TESTS.parent

CONFORMANCE = """\
# Conformance

What the standards ask of a CoAP endpoint and of a member of a group, statement by statement, and the test that shows
it. Made by `make conformance` from the tests in `host_tests/conformance`, which hand datagrams to the library and read
those that it sends. Statements are summarised. TEXT marks a rule that its document gives without a key word of
RFC 2119. Where a statement is not claimed, the reason stands in place of a test.
"""

DRAFT_COVERAGE = """\
# Coverage of draft-ietf-core-groupcomm-proxy-07

What the draft asks of the client, of the proxy and of a chain of proxies, statement by statement, and the test that
shows it. Made by `make conformance` from the tests in `host_tests/draft`, which make proxies of configurations and
read the datagrams that go between them, clients and servers; the draft's worked examples are among them. Statements
are summarised and say what holds, so that MUST stands for MUST NOT too. TEXT marks a rule that the draft gives without
a key word of RFC 2119, or by a MAY that is made use of, and choices that it leaves. Where a statement is not claimed,
the reason stands in place of a test.
"""


def document_of(statement):
    """The part of a document that this statement stands in: that of its `Document`."""
    return statement.document


def section_of(statement):
    """The part of a document that this statement stands in: that of its section."""
    first = statement.section.split(".")[0]
    return ("Section " if first.isdigit() else "Appendix ") + first


class Table:
    """The document docs/`name`.md: `head`, and the statements in the test files of host_tests/`folder`.

    titles: what stands below the heading of each part, by its name: that of a `Document`, or where `by_section` is
    true, "Section 2" or "Appendix A" of the only one.
    """

    def __init__(self, name, folder, head, titles, by_section=False):
        self.name = name
        self.folder = HOST_TESTS / folder
        self.target = REPO / "docs" / (name + ".md")
        self.head = head
        self.titles = titles
        self.kind, self.part = ("section", section_of) if by_section else ("document", document_of)

    def modules(self):
        """Every test file of the folder, imported."""
        found = []
        for path in sorted(self.folder.glob("test_*.py")):
            if path.stem == "test_table":
                continue
            spec = importlib.util.spec_from_file_location(self.folder.name + "_" + path.stem, path)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            found.append(module)
        return found

    def statements(self):
        """{part: [(file's stem, Statement)]} in the order of the sections."""
        by_part = {name: [] for name in self.titles}
        for module in self.modules():
            for statement in module.DOCUMENT.statements:
                by_part[self.part(statement)].append((Path(module.__file__).stem, statement))
        for rows in by_part.values():
            rows.sort(key=lambda row: row[1].order())
        return by_part

    def render(self, failed=()):
        """The text of the document; failed: (file's stem, test) of those that do not pass."""
        parts = self.statements()
        out = [self.head, f"| {self.kind} | claimed | pass | fail | not claimed |"]
        out.append("| --- | ---: | ---: | ---: | ---: |")
        sums = [0, 0, 0, 0]
        for name, rows in parts.items():
            claimed = [(stem, each.test) for stem, each in rows if each.test]
            bad = sum(key in failed for key in claimed)
            counts = [len(claimed), len(claimed) - bad, bad, len(rows) - len(claimed)]
            sums = [a + b for a, b in zip(sums, counts)]
            out.append(f"| [{name}](#{anchor(name)}) | " + " | ".join(map(str, counts)) + " |")
        out.append("| all | " + " | ".join(map(str, sums)) + " |")
        for name, rows in parts.items():
            out += ["", f"## {name}", "", self.titles[name] + ".", ""]
            out += ["| § | level | statement | test, or why not claimed | result |", "| --- | --- | --- | --- | --- |"]
            for stem, each in rows:
                if each.test:
                    file = f"../host_tests/{self.folder.name}/{stem}.py"
                    shown = f"[{each.test.removeprefix('test_')}]({file})"
                    result = "fail" if (stem, each.test) in failed else "pass"
                else:
                    shown, result = each.reason, "not claimed"
                out.append(f"| {each.section} | {each.level} | {each.text} | {shown} | {result} |")
        return "\n".join(out) + "\n"

    def make(self):
        """Run the tests of the folder and write the document: how many of them fail."""
        results = Results()
        options = ["-q", "--tb=no", "-p", "no:cacheprovider", "--rootdir", str(REPO)]
        pytest.main(options + [str(self.folder)], plugins=[results])
        claimed = {(stem, each.test) for rows in self.statements().values() for stem, each in rows if each.test}
        missing = claimed - results.seen
        if missing:
            sys.exit(f"{self.name}: not run: " + ", ".join(sorted(test for _, test in missing)))
        failed = results.failed & claimed
        self.target.write_text(self.render(failed))
        print(f"{self.target.relative_to(REPO)}: {len(claimed)} tests, {len(failed)} fail")
        return len(failed)


TABLES = {
    table.name: table
    for table in (
        Table(
            "conformance",
            "conformance",
            CONFORMANCE,
            {
                "RFC 7252": "The Constrained Application Protocol, §3–§8",
                "RFC 7641": "Observing resources",
                "RFC 7959": "Block-wise transfers",
                "groupcomm-bis": "Group communication, draft-ietf-core-groupcomm-bis-18 §3",
            },
        ),
        Table(
            "draft-coverage",
            "draft",
            DRAFT_COVERAGE,
            {
                "Section 2": "The Multicast-Timeout Option",
                "Section 3": "The Reply-From Option",
                "Section 4": "Requirements and objectives",
                "Section 5": "The protocol",
                "Section 6": "Reverse-proxies",
                "Section 7": "Caching",
                "Section 8": "Chain of proxies",
                "Section 9": "HTTP-to-CoAP proxies",
                "Section 10": "Security considerations",
                "Appendix A": "Examples with a reverse-proxy, over UDP",
            },
            by_section=True,
        ),
    )
}


def anchor(name):
    """The fragment of a heading, as code hosts make it."""
    return name.lower().replace(" ", "-")


class Results:
    """A pytest plugin: which tests of a folder did not pass."""

    def __init__(self):
        self.failed = set()
        self.seen = set()

    def pytest_runtest_logreport(self, report):
        path, _, test = report.nodeid.partition("::")
        key = Path(path).stem, test.partition("[")[0]
        self.seen.add(key)
        if report.outcome != "passed":
            self.failed.add(key)


if __name__ == "__main__":
    sys.path[:0] = [str(REPO / folder) for folder in ("lib", "tools/cpython", "host_tests", "host_tests/logic")]
    sys.exit(sum([TABLES[name].make() for name in sys.argv[1:] or ["conformance"]]) > 0)
