import itertools

import hypothesis
import pytest
import support
from vm.plugin import pytest_pycollect_makemodule, pytest_terminal_summary  # noqa: F401

pytest.register_assert_rewrite("secure_cases", "secure_world")  # their asserts tell what they have compared

# How long one example takes says nothing on a shared computer; a hang ends by pytest's timeout.
hypothesis.settings.register_profile("groupcoap", deadline=None, print_blob=True)
hypothesis.settings.load_profile("groupcoap")


@pytest.fixture
def repo():
    return support.REPO


@pytest.fixture
def lan():
    """Addresses and groups of this test's own: lan.address(), lan.group()."""
    return support.Lan()


@pytest.fixture
def node(lan, tmp_path):
    """node(config, heap="256K") starts a node and returns it once it is ready; all are stopped at the end.

    An `address` of this test's own and the loopback as `multicast_interface` are filled in where `config` has none.
    """
    nodes, numbers = [], itertools.count()

    def start(config, heap="256K"):
        config = {"multicast_interface": "127.0.0.1", **config}
        config.setdefault("address", lan.address())
        nodes.append(support.Node(config, tmp_path / f"node{next(numbers)}", heap))
        return nodes[-1]

    yield start

    for each in nodes:  # all at once, then wait for each
        each.terminate()
    failures = []
    for each in nodes:
        try:
            each.stop()
        except AssertionError as failure:
            failures.append(str(failure))
        print(f"--- {each.role} {each.uri}\n{each.stderr()}", end="")  # shown where a test fails
    assert not failures, "\n".join(failures)


@pytest.fixture
def board(tmp_path):
    """board(*options of tools/board, flash=None) starts a board on this desk; all are ended at the end."""
    import boards

    with boards.boards(tmp_path) as start:
        yield start
