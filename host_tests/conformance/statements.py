"""Which normative statement a test is for, written beside the test: the rows of a document that `table` makes.

    rfc = Document("RFC 7252")

    @rfc.statement("4.3", "MUST", "A Non-confirmable message is not acknowledged")
    def test_non_is_not_acknowledged(): ...

    rfc.not_claimed("5.5.1", "SHOULD", "A payload's type is guessed only where none is given", "none is guessed")

Texts are summaries in our own words, which say what holds: "MUST" is for MUST NOT too. "TEXT" is the level of a rule
that the document states without a key word.
"""

LEVELS = ("MUST", "SHOULD", "TEXT")


class Statement:
    """One row. test: name of the function, or None where the statement is not claimed, for `reason`."""

    def __init__(self, document, section, level, text, test=None, reason=None):
        assert level in LEVELS, level
        assert text and "|" not in text and not text.endswith("."), text
        self.document = document
        self.section = section
        self.level = level
        self.text = text
        self.test = test
        self.reason = reason

    def order(self):
        """Sorts by section, number by number; within one, as they stand in the file."""
        parts = self.section.split(".")
        return [int(part) if part.isdigit() else 1000 + ord(part) for part in parts]  # appendices come last


class Document:
    """The statements of one document, or of one part of it, in one test file. name: the heading of its table."""

    def __init__(self, name):
        self.name = name
        self.statements = []

    def statement(self, section, level, text):
        """Decorator: this test shows this statement. Several may stand on one test that shows them all."""

        def claim(test):
            at = len(self.statements)  # the lowest decorator comes first: rows shall stand as they are read
            while at and self.statements[at - 1].test == test.__name__:
                at -= 1
            self.statements.insert(at, Statement(self.name, section, level, text, test=test.__name__))
            return test

        return claim

    def not_claimed(self, section, level, text, reason):
        """A statement that has no test, and why."""
        assert reason and "|" not in reason, text
        self.statements.append(Statement(self.name, section, level, text, reason=reason))
