"""The documents that are made of statements say what the tests say, and every test beside them is a statement's."""

import pytest
from conformance.statements import Document
from conformance.table import TABLES

tables = pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))


@tables
def test_document_is_up_to_date(table):
    # A statement that fails fails this suite by itself; here it would be one that the document calls failed.
    assert table.target.read_text() == table.render(), f"out of date: make {table.name}"


@tables
def test_every_test_has_a_statement(table):
    for module in table.modules():
        tests = {name for name in vars(module) if name.startswith("test_")}
        assert tests == {each.test for each in module.DOCUMENT.statements if each.test}, module.__file__


@tables
def test_statements_are_told_apart(table):
    rows = [(each.document, each.section, each.text) for rows in table.statements().values() for _, each in rows]
    assert len(rows) == len(set(rows)), {row for row in rows if rows.count(row) > 1}


@tables
def test_failed_test_is_told(table):
    stem, statement = next((stem, each) for rows in table.statements().values() for stem, each in rows if each.test)
    text = table.render({(stem, statement.test)})
    row = f"| {statement.section} | {statement.level} | {statement.text} |"
    (line,) = [line for line in text.split("\n") if line.startswith(row)]
    assert line.endswith("| fail |") and "| fail |" not in table.render().split("\n## ", 1)[1]


def test_statements_of_one_test_stand_as_they_are_read():
    document = Document("RFC 7252")
    document.not_claimed("1", "TEXT", "zeroth", "none")
    for test in ("test_a", "test_b"):

        def stub():
            pass

        stub.__name__ = test
        for text in ("last", "middle", "first"):  # decorators are applied from the lowest one up
            document.statement("1", "TEXT", text)(stub)
    assert [(each.test, each.text) for each in document.statements] == [(None, "zeroth")] + [
        (test, text) for test in ("test_a", "test_b") for text in ("first", "middle", "last")
    ]
