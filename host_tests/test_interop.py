"""Other people's CoAP: libcoap's and aiocoap's clients with our nodes, our client and proxy with their servers."""

import sys
from pathlib import Path

import peers
import pytest
import support
from foreign import output, serving

AIOCOAP_CLIENT = Path(sys.executable).with_name("aiocoap-client")

# aiocoap, with an option that it does not know: prints code, payload and the unknown option of the first response.
AIOCOAP_GROUP = """\
import asyncio, sys
import aiocoap
from aiocoap.numbers.optionnumbers import OptionNumber
from aiocoap.optiontypes import OpaqueOption

async def main(proxy, target):
    context = await aiocoap.Context.create_client_context()
    request = aiocoap.Message(code=aiocoap.GET)
    request.opt.proxy_uri = target
    request.opt.add_option(OpaqueOption(OptionNumber(2), b"\\x02"))
    request.unresolved_remote = proxy
    response = await context.request(request, handle_blockwise=False).response
    (origin,) = [option.value for option in response.opt.option_list() if option.number == 248]
    print(response.code.dotted, response.payload.decode(), origin.hex())
    await context.shutdown()

asyncio.run(main(*sys.argv[1:]))
"""


def libcoap_client(*arguments):
    return output(support.libcoap("coap-client"), "-B", "10", *arguments)


def aiocoap_client(*arguments):
    return output(AIOCOAP_CLIENT, *arguments)


@pytest.fixture
def nodes(lan, node):
    """A server in a group, a proxy for clients at the loopback's first address, and that group."""
    group = lan.group()
    return node(peers.server_config(group)), node(peers.proxy_config("127.0.0.1", [group])), group


def libcoap_server(address):
    return serving(address, support.libcoap("coap-server"), "-A", address, "-p", "5683")


def aiocoap_server(address):
    return serving(address, sys.executable, support.REPO / "host_tests/bench/aiocoap_server.py", address, "5683")


@pytest.fixture(params=["libcoap", "aiocoap"])
def foreign_server(request, lan):
    """URI of a resource on another implementation's server, and what its payload begins with."""
    address = lan.address()
    if request.param == "libcoap":
        with libcoap_server(address):
            yield f"coap://{address}/", "This is a test server made with libcoap"
    else:
        with aiocoap_server(address):
            yield f"coap://{address}/temp", "21.5"


def test_libcoap_client_gets_an_answer_directly(nodes):
    server, _, _ = nodes
    assert libcoap_client(f"{server.uri}/temp").strip() == "21.5"
    assert libcoap_client("-N", f"{server.uri}/temp").strip() == "21.5"


def test_libcoap_client_gets_an_answer_through_the_proxy(nodes):
    server, proxy, _ = nodes
    assert libcoap_client("-P", proxy.uri, f"{server.uri}/temp").strip() == "21.5"


def test_libcoap_client_puts_and_gets_through_the_proxy(nodes):
    server, proxy, _ = nodes
    libcoap_client("-m", "put", "-e", "30", "-P", proxy.uri, f"{server.uri}/temp")
    assert libcoap_client(f"{server.uri}/temp").strip() == "30"


@pytest.mark.parametrize("type", [[], ["-N"]], ids=["CON", "NON"])
def test_libcoap_client_gets_a_groups_answer_through_the_proxy(type, nodes):
    _, proxy, group = nodes
    assert libcoap_client(*type, "-O", "2,0x02", "-P", proxy.uri, f"coap://{group}/temp").strip() == "21.5"


def test_libcoap_client_lists_the_resources(nodes):
    server, _, _ = nodes
    assert "</temp>" in libcoap_client(f"{server.uri}/.well-known/core")


def test_aiocoap_client_gets_an_answer_directly(nodes):
    server, _, _ = nodes
    assert aiocoap_client(f"{server.uri}/temp").strip() == "21.5"
    assert aiocoap_client("--non", f"{server.uri}/temp").strip() == "21.5"


def test_aiocoap_client_gets_an_answer_through_the_proxy(nodes):
    server, proxy, _ = nodes
    assert aiocoap_client("--proxy", proxy.uri, f"{server.uri}/temp").strip() == "21.5"


def test_aiocoap_client_puts_and_gets_through_the_proxy(nodes):
    server, proxy, _ = nodes
    aiocoap_client("-m", "PUT", "--payload", "30", "--proxy", proxy.uri, f"{server.uri}/temp")
    assert aiocoap_client(f"{server.uri}/temp").strip() == "30"


def test_aiocoap_gets_a_groups_answer_with_its_origin_through_the_proxy(nodes):
    server, proxy, group = nodes
    printed = output(sys.executable, "-c", AIOCOAP_GROUP, proxy.address, f"coap://{group}/temp")
    origin = bytes([0x82, 0x20, 0x81, 0x44, *map(int, server.address.split("."))])
    assert printed.split() == ["2.05", "21.5", origin.hex()]


def test_our_client_gets_an_answer_of_a_foreign_server(foreign_server):
    target, start = foreign_server
    process = peers.groupcoap("get", target, "--json")
    (response,) = peers.answers(process)
    assert response["payload"].startswith(start)
    assert (process.returncode, response["code"]) == (0, "2.05")


@pytest.mark.parametrize("type", [[], ["--non"]], ids=["CON", "NON"])
def test_our_proxy_forwards_to_a_foreign_server(type, foreign_server, nodes):
    target, start = foreign_server
    _, proxy, _ = nodes
    process = peers.groupcoap("get", target, "--proxy", proxy.uri, "--json", *type)
    (response,) = peers.answers(process)
    assert response["payload"].startswith(start)
    assert (process.returncode, response["code"]) == (0, "2.05")


def test_separate_response_of_a_foreign_server_comes_through_the_proxy(lan, node):
    address = lan.address()
    proxy = node(peers.proxy_config("127.0.0.1", []))
    with libcoap_server(address):
        process = peers.groupcoap("get", f"coap://{address}/async?2", "--proxy", proxy.uri, "--json")
    (response,) = peers.answers(process)
    assert (response["code"], response["payload"].strip()) == ("2.05", "done")
    assert response["rtt_ms"] >= 1900
