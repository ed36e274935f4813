"""OSCORE and Group OSCORE between other people's implementation and ours: the cases of secure_cases.py."""

import pytest
import secure_cases

RUNS = [
    pytest.param(case, pair, id=f"{case.__name__}-{'-'.join(pair)}")
    for case in secure_cases.CASES
    for pair in secure_cases.PAIRS
    if pair not in case.without
]


@pytest.mark.parametrize("case, pair", RUNS)
def test_secure(case, pair, tmp_path, lan, node):
    world = secure_cases.World(*pair, tmp_path, lan, node)
    try:
        case(world)
    finally:
        world.closing()
