"""The part of the runner that runs on the VM: calls tests by name, prints one line for each that has ended.

Such a line is MARK and a JSON object: `test` (null: the file itself could not be imported) and `error` (a traceback, or
null). Whatever else is printed before it belongs to that test.
"""

import gc
import io
import json
import sys

MARK = "\x1f"  # the unit separator: nothing else prints it


def _traceback(error):
    text = io.StringIO()
    sys.print_exception(error, text)
    return text.getvalue()


def _report(test, error):
    print(MARK + json.dumps({"test": test, "error": error}))


def run(module, tests):
    try:
        module = __import__(module)
    except BaseException as error:  # a test that calls sys.exit() has failed like any other
        _report(None, _traceback(error))
        return
    for test in tests:
        gc.collect()
        try:
            getattr(module, test)()
            _report(test, None)
        except BaseException as error:
            _report(test, _traceback(error))
