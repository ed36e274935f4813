"""Transmission parameters and the times that follow from them (RFC 7252 §4.8, §8.2)."""

from groupcoap.parameters import DEFAULT, Parameters, leisure


def refused(**values):
    try:
        Parameters(**values)
    except ValueError:
        return True
    return False


def test_defaults_are_those_of_the_rfc():
    p = DEFAULT
    assert (p.ack_timeout, p.max_retransmit, p.nstart, p.default_leisure, p.probing_rate) == (2000, 4, 1, 5000, 1)
    assert p.ack_timeout + p.ack_spread - 1 == 3000  # ACK_RANDOM_FACTOR 1.5


def test_derived_times_are_those_of_the_rfc():
    p = DEFAULT
    assert (p.max_transmit_span, p.max_transmit_wait) == (45000, 93000)
    assert (p.max_rtt, p.exchange_lifetime, p.non_lifetime) == (202000, 247000, 145000)


def test_derived_times_follow_the_parameters():
    p = Parameters(ack_timeout=1000, ack_random_factor=2, max_retransmit=2)
    assert (p.max_transmit_span, p.max_transmit_wait) == (6000, 14000)
    assert (p.max_rtt, p.exchange_lifetime, p.non_lifetime) == (201000, 207000, 106000)


def test_no_retransmission_at_all():
    p = Parameters(max_retransmit=0)
    assert (p.max_transmit_span, p.max_transmit_wait) == (0, 3000)


def test_longest_times_fit_the_clock():
    p = Parameters(ack_timeout=60000, ack_random_factor=4, max_retransmit=8)
    assert p.max_transmit_wait < 1 << 29 and p.exchange_lifetime < 1 << 29


def test_values_out_of_bounds_are_refused():
    for name, low, high in (
        ("ack_timeout", 1, 60000), ("ack_random_factor", 1, 4), ("max_retransmit", 0, 8), ("nstart", 1, 255),
    ):  # fmt: skip
        assert refused(**{name: low - 1}) and refused(**{name: high + 1}), name
        Parameters(**{name: low})
        Parameters(**{name: high})


def test_leisure_keeps_the_rate():
    assert leisure(100, 100, 1000) == 10000  # §8.2: S * G / R
    assert leisure(500, 60, 8000) == 3750


def test_leisure_is_rounded_up():
    assert leisure(1, 1, 3) == 334 and leisure(1, 1, 1000000) == 1


def test_leisure_of_a_large_group_is_exact():
    assert leisure(100000, 1152, 125) == 921600000
