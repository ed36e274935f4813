"""tools/compiled.py: how the sources become the .mpy files that a board gets."""

import subprocess
import sys

import pytest
import support

sys.path.insert(0, str(support.REPO / "tools"))
import compiled  # noqa: E402

VALUES = {"GET": 1, "CONTENT": 69}


def test_constants_are_those_that_the_module_has(repo):
    import groupcoap.numbers as numbers

    found = compiled.constants(compiled.NUMBERS.read_text())
    assert found == {name: value for name, value in vars(numbers).items() if name.isupper()}


@pytest.mark.parametrize(
    "line", ["from . import numbers as n", "from .. import numbers as n", "from groupcoap import numbers as n"]
)
def test_a_number_stands_in_place_of_its_name(line):
    source = f"{line}\n\ndef f(m):\n    return m.code == n.GET or {{n.CONTENT: 'é', n.GET: n.CONTENT}}  # n.GET\n"
    expected = "pass\n\ndef f(m):\n    return m.code == 1 or {69: 'é', 1: 69}  # n.GET\n"
    assert compiled.folded(source, VALUES) == expected


def test_what_stands_beside_the_numbers_is_still_imported():
    source = "from . import hot, numbers\n'é', numbers.GET\n"
    assert compiled.folded(source, VALUES) == "from . import hot\n'é', 1\n"


def test_a_module_of_which_more_is_used_is_still_imported():
    source = "from . import numbers as n\nn.dotted(n.GET, m.GET)\n"
    assert compiled.folded(source, VALUES) == "from . import numbers as n\nn.dotted(1, m.GET)\n"


def test_a_private_name_for_a_number_is_a_constant():
    source = "from . import numbers as n\n_GET = n.GET\nGET = n.GET\n_BOTH = (n.GET, 1)\n"
    assert compiled.folded(source, VALUES) == "pass\n_GET = const(1)\nGET = 1\n_BOTH = (1, 1)\n"


def test_a_source_without_the_numbers_is_left_alone():
    for source in ("n.GET\n", "import numbers as n\nn.GET\n", "from . import uri as n\nn.GET\n"):
        assert compiled.folded(source, VALUES) == source


def test_an_error_in_a_source_names_its_module(tmp_path):
    source = tmp_path / "a.py"
    source.write_text("\nfrom . import numbers as n\nnonlocal x\n")
    mpy_cross = compiled.tool("mpy-cross", "MPY_CROSS")
    with pytest.raises(subprocess.CalledProcessError) as failure:
        compiled.compile_one(mpy_cross, None, source, tmp_path / "a.mpy", VALUES, "groupcoap.a")
    assert 'File "groupcoap.a", line 3' in failure.value.stderr
    assert not list(tmp_path.glob("*.mpy"))
