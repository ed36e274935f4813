"""The proxy's token table under load: it refuses when full, frees every slot, and takes no more heap with traffic."""

import collections
import time

import peers
import pytest
from peers import CON, MAX_AGE, MULTICAST_SIGNALING, MULTICAST_TIMEOUT, NON, PROXY_URI

SLOTS = 16


def send(client, proxy, group, timeout, type=CON, number=MULTICAST_TIMEOUT):
    target = f"coap://{group}/temp".encode()
    return client.send(proxy, type, options=[(PROXY_URI, target), (number, peers.uint(timeout))])


@pytest.fixture
def table(lan, node):
    """Client, proxy with SLOTS slots, and group."""
    client, group = peers.Peer(lan.address()), lan.group()
    return client, node(peers.proxy_config(client.address, [group], token_slots=SLOTS)), group


def exchange_many(client, proxy, group, timeout, count, servers):
    """Send `count` requests at once: answers by token of those served, and the refusals; ends when all have come."""
    requests = [send(client, proxy, group, timeout) for _ in range(count)]
    answers, refusals, acknowledged = collections.Counter(), [], set()
    end = time.monotonic() + peers.ANSWER_S
    while len(acknowledged) + len(refusals) < count or sum(answers.values()) < servers * len(acknowledged):
        message = client.receive(end - time.monotonic())
        if message is None:
            break
        if message.code == "2.05":
            answers[message.token] += 1
        elif message.code == "0.00":
            acknowledged.add(message.mid)
        else:
            refusals.append(message)
    served = {request.token: answers[request.token] for request in requests if request.mid in acknowledged}
    return served, refusals


def test_of_twenty_exchanges_at_once_sixteen_are_served_and_all_slots_come_free_again(table, node):
    client, proxy, group = table
    for value in ("1", "2", "3"):
        node(peers.server_config(group, value, leisure_s=0.05))
    for _ in range(2):  # the second time on slots that have been used
        served, refusals = exchange_many(client, proxy, group, 2, 20, servers=3)
        assert list(served.values()) == [3] * SLOTS
        assert [message.code for message in refusals] == ["5.03"] * 4
        ages = [int.from_bytes(message.option(MAX_AGE), "big") for message in refusals]
        assert all(1 <= age <= 2 for age in ages)
        time.sleep(max(ages) + 0.1)  # as they were told to


def test_refused_request_is_not_multicast(table):
    client, proxy, group = table
    member = peers.group_member(group)
    _, refusals = exchange_many(client, proxy, group, 1, SLOTS + 4, servers=0)
    assert len(refusals) == 4
    heard = [member.expect() for _ in range(SLOTS)]
    assert len({message.token for message in heard}) == SLOTS
    client.ping(proxy)
    assert member.receive(0.05) is None


def test_unicast_requests_find_the_table_full_as_well(table, node):
    client, proxy, group = table
    server = node(peers.server_config())
    exchange_many(client, proxy, group, 1, SLOTS, servers=0)
    refusal = client.ask(proxy, options=[(PROXY_URI, f"{server.uri}/temp".encode())])
    assert refusal.code == "5.03"
    time.sleep(int.from_bytes(refusal.option(MAX_AGE), "big") + 0.1)
    assert client.ask(proxy, options=[(PROXY_URI, f"{server.uri}/temp".encode())]).code == "2.05"


def test_nstart_bounds_the_exchanges_with_one_group(lan, node):
    client, groups = peers.Peer(lan.address()), [lan.group(), lan.group()]
    proxy = node(peers.proxy_config(client.address, groups, nstart=2))
    served, refusals = exchange_many(client, proxy, groups[0], 2, 3, servers=0)
    assert (len(served), [message.code for message in refusals]) == (2, ["5.03"])
    served, refusals = exchange_many(client, proxy, groups[1], 2, 2, servers=0)
    assert (len(served), refusals) == (2, [])


HEAP_SLOTS = 250
KINDS = ((CON, MULTICAST_TIMEOUT), (NON, MULTICAST_TIMEOUT), (CON, MULTICAST_SIGNALING), (NON, MULTICAST_SIGNALING))
UNDER_WAY = 12  # below the server's 16 places for requests that wait for their leisure


def run_exchanges(count, client, proxy, group):
    """Run this many exchanges of 1 s, as many at once as there are slots, and await the end of the last."""
    left, unanswered, ends = count, set(), collections.deque()
    give_up = time.monotonic() + 60
    while left or unanswered:
        now = time.monotonic()
        assert now < give_up, f"{left} exchanges left, {len(unanswered)} without an answer"
        while ends and ends[0] <= now:
            ends.popleft()
        if left and len(unanswered) < UNDER_WAY and len(ends) < HEAP_SLOTS:
            unanswered.add(send(client, proxy, group, 1, *KINDS[left % 4]).token)
            left -= 1
            ends.append(now + 1.1)
            continue
        message = client.receive(ends[0] - now if len(ends) == HEAP_SLOTS and not unanswered else peers.ANSWER_S)
        if message is None:
            assert not unanswered
        elif message.code != "0.00":
            assert message.code == "2.05"
            unanswered.discard(message.token)
    time.sleep(max(0, ends[-1] - time.monotonic()))


def test_heap_after_two_thousand_exchanges_is_what_it_was_after_twenty(lan, tmp_path):
    client, group = peers.Peer(lan.address()), lan.group()
    config = peers.proxy_config(client.address, [group], token_slots=HEAP_SLOTS)
    server_config = peers.server_config(group, leisure_s=0)
    with (
        peers.heap_node(config, lan, tmp_path / "proxy", heap="512K") as proxy,
        peers.heap_node(server_config, lan, tmp_path / "server") as server,
    ):
        run_exchanges(20, client, proxy, group)
        before = {"proxy": proxy.heap(), "server": server.heap()}
        run_exchanges(1980, client, proxy, group)
        after = {"proxy": proxy.heap(), "server": server.heap()}
        growth = {role: after[role] - before[role] for role in before}
        print(before, growth)
        assert all(abs(bytes_more) <= 1024 for bytes_more in growth.values()), growth
        assert (proxy.stderr(), server.stderr()) == ("", "")
