# SPDX-License-Identifier: GPL-2.0
"""fwg and wg side by side, with the same words and files, thousands of them, valid and invalid.

There is no kernel: answer.c, preloaded into both, records their messages to the kernel and answers
them. Their output, exit status, errors and messages to the kernel are compared.
"""

import base64
import contextlib
import errno
import itertools
import json
import os
import random
import re
import socket
import struct
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import netlink as nl
import pytest
from uml import FWG

A = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
B = "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0="
C = "gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA="
NOW = 1700000000
PUBLIC_KEY, INTERFACE = 4, "wg0"
P_HANDSHAKE, P_RX, P_TX = 6, 7, 8
TOOLS = {"fwg": FWG, "wg": "wg"}


@pytest.fixture(scope="module", name="answer")
def fixture_answer(tmp_path_factory):
    """The library that simulates the kernel."""
    library = tmp_path_factory.mktemp("answer") / "answer.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, Path(__file__).parent / "answer.c",
                    "-ldl"], check=True, timeout=60)
    return library


class World:
    """A simulated kernel for one run of each tool, and the files for the tools."""

    def __init__(self, answer, folder, environment=()):
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.environment = os.environ | {
            "LC_ALL": "C", "WG_ENDPOINT_RESOLUTION_RETRIES": "0", "LD_PRELOAD": str(answer),
            "WORLD": str(folder), "LINKS": INTERFACE, "NOW": str(NOW)} | dict(environment)

    def run(self, tool, words, stdin=subprocess.DEVNULL):
        """The result of a command: (status, stdout, stderr, its messages to the kernel)."""
        heard = self.folder / "heard"
        heard.unlink(missing_ok=True)
        done = subprocess.run([TOOLS[tool], *words], env=self.environment, cwd=self.folder,
                              stdin=stdin, capture_output=True, check=False, timeout=60)
        return (done.returncode, done.stdout.decode("latin-1"), done.stderr.decode("latin-1"),
                wishes(heard.read_bytes()) if heard.exists() else None)


def split(data):
    """Splits data in which each part follows its length, as written by answer.c."""
    while data:
        size, = struct.unpack_from("=I", data)
        yield data[4:4 + size]
        data = data[4 + size:]


def wishes(data):
    """The settings in messages, of the device and peer by peer, however they are distributed."""
    device, peers = {}, []
    for number, message in enumerate(split(data)):
        found = dict(nl.parse(message))
        for place, (_, nest) in enumerate(nl.parse(found.pop(nl.PEERS, b""))):
            peer = dict(nl.parse(nest))
            ips = [sorted(nl.parse(ip)) for _, ip in nl.parse(peer.pop(nl.P_IPS, b""))]
            if number and not place and peers and peers[-1][0][nl.P_PUBLIC_KEY] == peer[
                    nl.P_PUBLIC_KEY]:
                peers[-1][1].extend(ips)  # a peer continued from the last message
            elif peer.get(nl.P_FLAGS, b"\0")[0] & nl.REMOVE_ME:
                peers.append(({nl.P_PUBLIC_KEY: peer[nl.P_PUBLIC_KEY], "remove": True}, []))
            else:
                peers.append((peer, ips))
        device |= found
    return device, peers


# Errors of wg that have other words in fwg. All others are word for word the same.
OTHERWISE = [
    (r"^fopen: ", "Unable to open"),
    (r"^Usage: ", "(Invalid argument|Unexpected argument|needs an interface)"),
    (r"^Invalid length key in key file",
     "(Key is not the correct length or format: the content of|Unable to read a key from) `"),
    (r"^Found trailing character in key file", "Trailing characters found after key in"),
    (r"^Unable to parse empty port", "Port is neither 0-65535 nor a service name: `'"),
    (r"^Unable to parse empty endpoint", "Unable to find port of endpoint: `'"),
    (r"^Servname not supported",
     "(Port|Port of endpoint) is neither 0-65535 nor a service name: `"),
    # fwg itself parses the service's name, before it resolves the host.
    (r"^Name or service not known: `.*:[^0-9]",
     "(Port of endpoint is neither 0-65535 nor a service name|Name or service not known): `"),
    (r"^Invalid argument: ", None),
    (r"^Line unrecognized: ", "Line unrecognized: (`|its first word is too long)"),
    (r"^A peer is missing a public key", "A peer is missing a public key"),
    (r"^Unable to (access|modify) interface: ", None),
    (r"^Unable to retrieve current interface configuration: ", "Unable to access interface"),
]
# Secrets, and words that may be one, are not repeated.
SECRET = re.compile(r"Key is not the correct length or format: `")


def means_the_same(ours, theirs):
    """Does fwg report each of wg's errors, except for its closing words?"""
    lines = [line for line in theirs.splitlines()
             if line not in ("Configuration parsing error", "Invalid configuration")]
    if not lines:
        return not ours
    line = lines[0]
    for pattern, expected in OTHERWISE:
        if not re.search(pattern, line):
            continue
        if expected is None:  # the same, the word in quotes, the interface named
            start, word = line.split(": ", 1)
            return re.search(rf"{start}( \S+)?: `?{re.escape(word)}", ours) is not None
        return re.search(expected, ours) is not None
    if line.startswith("Unable to parse IP address: "):  # the part before the /
        return line.rstrip("'") in ours.replace("`+", "`").replace("`-", "`")
    if SECRET.search(line):
        return "Key is not the correct length or format: " in ours
    if "Warning: " in line:  # in quotes
        start, word = line.rsplit(": ", 1)
        return f"{start}: `" in ours and means_the_same(
            "\n".join(ours.splitlines()[1:]), "\n".join(lines[1:]))
    return line.removeprefix("wg: ") in ours


def is_meant(words, ours, theirs):
    """Is it a difference that fwg(8) documents, a mistake of wg that fwg does not share?"""
    # wg accepts a port that is too large, modulo 65536.
    port = re.search(r"[Pp]ort.* is neither .*`(?:.*:)?\+?(\d+)'$", ours[2].strip())
    if port and int(port[1]) > 65535:
        return ours[0] == 1
    # Debian's wg does not know signs before allowed IPs yet.
    if re.search(r"Unable to parse IP address: `[+-]", theirs[2]):
        return theirs[0] == 1
    # For wg, a folder is an empty configuration.
    return ours[0] == 1 and "Is a directory" in ours[2] and words[0].endswith("conf")


def differences(answer, folder, cases):
    """The cases in which fwg differs from wg; each is (words, {file: content})."""
    def compare(number, case):
        words, files = case
        world = World(answer, folder / f"{number % 4}")
        for name, content in files.items():
            (world.folder / name).write_bytes(content)
        ours, theirs = (world.run(tool, words) for tool in ("fwg", "wg"))
        if (ours[0], ours[1], ours[3]) == (theirs[0], theirs[1], theirs[3]) and means_the_same(
                ours[2], theirs[2]):
            return None
        return None if is_meant(words, ours, theirs) else (case, ours, theirs)

    def lane(start):
        return [found for number in range(start, len(cases), 4)
                if (found := compare(number, cases[number]))]

    with ThreadPoolExecutor(4) as pool:
        return list(itertools.chain.from_iterable(pool.map(lane, range(4))))


# The command line.

NUMBERS = ["0", "1", "00", "010", "0x0", "0x1", "0X1", "0x", "0xffffffff", "0xFFFFFFFF",
           "0x100000000", "51820", "65535", "65536", "70000", "4294967295", "4294967296",
           "9223372036854775808", "18446744073709551615", "18446744073709551616", "-1", "+1", "-0",
           "1 ", "1x", "1.5", "1e3", "", " ", "off", "OFF", "oFf", "of", "offf", "on", "ff",
           "domain", "DOMAIN", "nothing", "0x-1", "0x+1", "--", "٣"]
KEYS = [A, B, A[:-1], A[:-1] + "A", A + "=", A[:-2] + "h=", A + " ", " " + A, A + "\n",
        A[:-2] + "==", "", "x", "A" * 44, "A" * 43 + "=", "/" * 42 + "8=", "-" + A[1:],
        "_" + A[1:], A[:20] + " " + A[21:], A.lower(), A + A, "peer", "remove", "é" * 22]
FILES = {"good": A.encode(), "newline": A.encode() + b"\n", "dos": A.encode() + b"\r\n",
         "blank": A.encode() + b" \t\n\n\v\f", "empty": b"", "only-newline": b"\n",
         "short": A[:-1].encode(), "short-newline": A[:-1].encode() + b"\n",
         "long": A.encode() + b"x", "two-lines": A.encode() + b"\nx\n",
         "space-before": b" " + A.encode(), "bad": A[:-2].encode() + b"h=",
         "url": b"-" + A[1:].encode(), "zero": b"A" * 43 + b"=\n",
         "binary": bytes(range(44)), "name with space": A.encode(), "-": A.encode()}
KEY_FILES = [*FILES, "missing", "/dev/null", "/", "", "/dev/stdin", "./good", "good/x"]
ENDPOINTS = [
    "192.0.2.1:1", "192.0.2.1:0", "192.0.2.1:65535", "192.0.2.1:65536", "192.0.2.1:70000",
    "192.0.2.1:", "192.0.2.1", "192.0.2.1:-1", "192.0.2.1:+7", "192.0.2.1: 7", "192.0.2.1:7 ",
    "192.0.2.1:0x7", "192.0.2.1:domain", "192.0.2.1:nothing", "192.0.2.1:1:2", "0.0.0.0:9",
    "255.255.255.255:9", "1.2.3:9", "1:9", "0x7f000001:9", "0177.0.0.1:9", "1.2.3.4.5:9",
    "256.1.1.1:9", " 192.0.2.1:9", "[192.0.2.1]:1", "[::1]:1", "[::1]", "[::1]:", "[::1]1", "[::1",
    "::1]:1", "::1:1", "::1", "[]:1", "[", "[:", "]", ":", ":1", "[::]:1", "[::ffff:1.2.3.4]:5",
    "::ffff:1.2.3.4:5", "[fe80::1%lo]:1", "fe80::1%lo:1", "[fe80::1%1]:1", "[fe80::1%nolink]:1",
    "[fe80::1%]:1", "[2001:db8::1%1]:1", "[2001:db8:0:0:0:0:0:1]:1", "[2001:DB8::1]:1",
    "[::1]:domain", "[::1]:65536", "[::1]:1 ", "[[::1]]:1", "localhost:1", "LOCALHOST:1",
    "[localhost]:1", "no host:1", "-:1", "%:1", "", " ", "a" * 300 + ":1"]
ADDRESSES = ["0.0.0.0/0", "::/0", "10.0.0.0/8", "10.1.2.3/8", "1.2.3.4", "1.2.3.4/32", "1.2.3.4/31",
             "1.2.3.4/33", "1.2.3.4/", "1.2.3.4/-1", "1.2.3.4/+8", "1.2.3.4/ 8", "1.2.3.4/8 ",
             "1.2.3.4/08", "1.2.3.4/008", "1.2.3.4/0x8", "1.2.3.4/8/8", "1.2.3.4/x",
             "1.2.3.4/4294967304", "1.2.3.4/18446744073709551624", "1.2.3/8", "1.2.3.4.5/8",
             "01.2.3.4/8", "256.2.3.4/8", "0x1.2.3.4/8", "::1", "::1/128", "::1/127", "::1/129",
             "::/", "1::2::3/64", "1::g/64", "fd00::1/64", "FD00::1/64", "::ffff:1.2.3.4/96",
             "::1.2.3.4/128", "fe80::1%lo/64", "[::1]/128", "12345::/64", "/8", "/", "localhost",
             "*", "any", "default", "1.2.3.4-5", "1" * 60, "1.2.3.4/" + "1" * 60]
LISTS = ["", " ", ",", ",,", "1.2.3.4,", ",1.2.3.4", "1.2.3.4,,5.6.7.8", "1.2.3.4 , 5.6.7.8",
         "1.2.3.4 5.6.7.8", "1.2.3.4,1.2.3.4", "\t1.2.3.4\n", "10.0.0.0/8,::/0,1.2.3.4/31",
         "1.2.3.4,x", "x,1.2.3.4", "1.2.3.4;5.6.7.8", "+1.2.3.4", "-1.2.3.4/32,1.2.3.4/31"]
OF_DEVICE = {"listen-port": NUMBERS, "fwmark": NUMBERS, "private-key": KEY_FILES}
OF_PEER = {"preshared-key": KEY_FILES, "endpoint": ENDPOINTS, "persistent-keepalive": NUMBERS,
           "allowed-ips": ADDRESSES + LISTS}
COMMANDS = ["show", "showconf", "set", "setconf", "addconf", "syncconf", "genkey", "genpsk",
            "pubkey"]


def one_by_one():
    """Each value after its word, in allowed and in forbidden places."""
    for word, values in OF_DEVICE.items():
        for value in values:
            yield [word, value]
            yield [word, value, "peer", A]
        yield from ([word], [word, word], ["peer", A, word, values[0]], [word.upper(), values[0]],
                    [word, values[0], word, values[1]], [word + "s", values[0]], ["--" + word, "0"])
    for word, values in OF_PEER.items():
        for value in values:
            yield ["peer", A, word, value]
            yield ["listen-port", "1", "peer", B, "peer", A, word, value, "remove"]
        yield from ([word, values[0]], [word], ["peer", A, word], ["peer", A, word, word],
                    ["peer", A, word.upper(), values[0]], ["peer", A, "remove", word, values[0]],
                    ["peer", A, word, values[0], word, values[1]])
    for key in KEYS:
        yield ["peer", key]
        yield ["peer", A, "peer", key, "remove"]
    yield from (["peer"], ["remove"], ["remove", "peer", A], ["peer", A, "remove", "remove"],
                ["peer", A, "remove", "peer", A], ["peer", A, "peer", A], [""], ["--help"], ["-h"],
                ["help"], ["peer", A, "add"], ["replace-allowed-ips", "true"], ["mtu", "1420"],
                ["address", "10.0.0.1/24"], ["public-key", A], ["peer", A, "public-key", B])


def at_random(generator, count):
    """Sequences of words, most of them valid."""
    def value(values):
        return generator.choice(values[:4] if generator.random() < .9 else values)

    for _ in range(count):
        words = []
        for _ in range(generator.randrange(5)):
            word = generator.choice(list(OF_DEVICE))
            words += [word, value(OF_DEVICE[word])]
        for _ in range(generator.randrange(4)):
            words += ["peer", generator.choice([A, B, C])]
            for _ in range(generator.randrange(5)):
                word = generator.choice([*OF_PEER, "remove"])
                words += [word] if word == "remove" else [word, value(OF_PEER[word])]
        for _ in range(generator.random() < .1):
            generator.shuffle(words)
        for _ in range(generator.random() < .1):
            words = words[:-1]
        yield words or ["fwmark", "0"]


def test_words(answer, tmp_path):
    """The words of `set`."""
    cases = [(["set", INTERFACE, *words], FILES)
             for words in [*one_by_one(), *at_random(random.Random(1), 200)]]
    assert len(cases) > 700
    assert not differences(answer, tmp_path, cases)


def test_commands(answer, tmp_path):
    """The other commands, with too few words, and with too many."""
    conf = {"conf": b"[Interface]\nListenPort = 1\n"}
    tails = [[], ["x"], [INTERFACE, "missing"], [INTERFACE, "/"], [INTERFACE, "conf", "x"], [""],
             [INTERFACE, ""], [INTERFACE, "conf/x"]]
    cases = [([command, *tail], conf) for command in COMMANDS[3:] for tail in tails]
    cases += [(words, conf) for words in (
        ["showconf"], ["showconf", "x"], ["showconf", INTERFACE], ["showconf", ""],
        ["showconf", "x", "y"], ["show", "x"], ["show", "x", "dump"],
        ["show", "interfaces", "dump"], ["show", "interfaces"], ["set"], ["set", INTERFACE],
        ["set", "x", "y"], ["setconf", "x", "conf"], ["frob"], ["SHOW"], ["-x"], [""])]
    found = differences(answer, tmp_path, cases)
    # New keys are random, so they differ.
    assert [case[0] for case, _, _ in found] == [["genkey"], ["genpsk"]]
    for _, ours, theirs in found:
        assert ours[0] == theirs[0] == 0 and len(ours[1]) == len(theirs[1]) and not ours[2]


@pytest.mark.parametrize("error", ["EPERM", "EADDRINUSE", "ENODEV", "EOPNOTSUPP", "EINVAL",
                                   "ENOMEM", "EAFNOSUPPORT", "EADDRNOTAVAIL", "ENOSPC"])
def test_errors_of_the_kernel(answer, tmp_path, error):
    """Errors of the kernel are reported in the C library's words."""
    number = getattr(errno, error)
    files = {"refuse": str(number).encode(), "conf": f"[Peer]\nPublicKey={A}\n".encode()}
    for words in ["set", INTERFACE, "fwmark", "1"], ["addconf", INTERFACE, "conf"]:
        assert not differences(answer, tmp_path, [(words, files)])


@pytest.mark.parametrize("retries", [None, "", "0", "1", "39", "40", "infinity", " 3", "+2",
                                     "INFINITY", "many", "1x", "-1", "2147483647", "2147483648"])
def test_resolver_that_fails_for_now(answer, tmp_path, retries):
    """fwg retries as often, after the same time, and with the same messages."""
    world = World(answer, tmp_path)
    del world.environment["WG_ENDPOINT_RESOLUTION_RETRIES"]
    if retries is not None:
        world.environment["WG_ENDPOINT_RESOLUTION_RETRIES"] = retries
    ours, theirs = (world.run(tool, ["set", INTERFACE, "peer", A, "endpoint", "later:1"])
                    for tool in ("fwg", "wg"))
    assert ours[2].replace("fwg: ", "") == theirs[2] != ""
    assert ours[:2] == theirs[:2] and ours[3] == theirs[3]


# Files.

def lines_of_files():
    """Lines after [Interface], and after [Peer], valid and invalid."""
    device = [f"{name} = {value}" for name in ("ListenPort", "FwMark") for value in NUMBERS]
    device += [f"PrivateKey = {key}" for key in KEYS]
    peer = [f"PresharedKey = {key}" for key in KEYS] + [f"PublicKey = {key}" for key in KEYS]
    peer += [f"PersistentKeepalive = {number}" for number in NUMBERS]
    peer += [f"Endpoint = {endpoint}" for endpoint in ENDPOINTS]
    peer += [f"AllowedIPs = {ips}" for ips in ADDRESSES + LISTS]
    return device, peer


SPELLINGS = [
    "{}", "{}\n", "{}\r\n", "  {}", "\t{}\t\n", "{} # comment", "{}#comment\n", "#{}", "# {}\n",
    "\n\n{}", "{}\n\n\n", ";{}", "{};", "// {}", "{}\0x\n", "\0{}", "{}\v\n", "\ufeff{}",
    "{0}\n{0}", "{0} {0}", "{}\n=\n", "{}\n==\n", "{}\nx\n", "{}\n[Peer]\n", "{}\n[Interface]\n",
    "{}\n[]\n", "{}\n[Peer\n", "{}\n[peer ]\n", "{}\n[ P e e r ]\n", "{}\n[Peer]x\n",
    "{}\n[Peers]\n", "{}\n[PEER]\nPublicKey=" + B, "{}\nAllowedIPs\n",
    "{}\n[Interface]\nFwMark=1", "{}\nEndpoint=", "{}\nPublicKey=" + B]


def spelt():
    """Files in different spellings."""
    device, peer = f"PrivateKey = {A}", f"[Peer]\nPublicKey = {A}"
    for spelling in SPELLINGS:
        yield "[Interface]\n" + spelling.format(device)
        yield "[Interface]\n" + device + "\n" + spelling.format(peer)
        yield spelling.format("[Interface]") + "\n" + device
    for text in (f"[Interface]\n{device}\n{peer}\n", f"{peer}\nAllowedIPs = 10.0.0.0/8, ::/0\n"):
        yield from (text, text.rstrip("\n"), text.replace("\n", "\r\n"), text.replace(" ", ""),
                    text.replace(" = ", "\t  =\t "), text.upper().replace(A.upper(), A),
                    text.lower().replace(A.lower(), A), text.replace("=", " = ", 1),
                    text.replace("\n", "\n\n"), text.replace(" = ", ": "), text.replace("\n", "\r"),
                    "\n" + text, text + text, text.replace("Key", "K e y"),
                    text.replace("=", "", 1))
    for key in ("Address = 10.0.0.1/24", "DNS = 192.0.2.1", "MTU = 1420", "Table = off",
                "PostUp = true", "SaveConfig = true", "PublicKey = " + A, "Endpoint = ::1:1"):
        yield f"[Interface]\n{key}\n"
        yield f"{key}\n[Interface]\n"
        yield f"{peer}\n{key}\n"
    yield from ("", "\n", "#", "[Peer]", "[Interface]", "[Peer]\n[Peer]",
                "[Peer]\nAllowedIPs = ::/0", f"[Peer]\nAllowedIPs = ::/0\nPublicKey = {A}",
                "[Interface]\n" * 3)


def files_at_random(generator, count):
    """Files with several sections; most of their lines are valid."""
    device, peer = lines_of_files()
    good = [f"AllowedIPs = {ips}" for ips in ("10.0.0.0/8", "::/0, 1.2.3.4", "fd00::/8")] + [
        "Endpoint = 192.0.2.1:5", "Endpoint = [::1]:6", "PersistentKeepalive = 25",
        "PersistentKeepalive = off", f"PresharedKey = {B}"]
    for _ in range(count):
        text = []
        for _ in range(generator.randrange(1, 6)):
            if generator.random() < .4:
                text += ["[Interface]", *generator.sample(
                    ["ListenPort = 7", "FwMark = 0x8", f"PrivateKey = {C}", "FwMark = off"], 2)]
                wrong = device
            else:
                text += ["[Peer]", f"PublicKey = {generator.choice([A, B, C])}",
                         *generator.sample(good, generator.randrange(4))]
                wrong = peer
            if generator.random() < .15:
                text.append(generator.choice(wrong))
        yield generator.choice(["\n", "\n\n", " # x\n", "\r\n"]).join(text) + "\n"


def test_files(answer, tmp_path):
    """The files of setconf and addconf."""
    device, peer = lines_of_files()
    texts = ["[Interface]\n" + line for line in device]
    texts += [f"[Peer]\nPublicKey = {A}\n{line}\n" for line in peer]
    texts += [*spelt(), *files_at_random(random.Random(2), 150)]
    cases = [([command, INTERFACE, "conf"], {"conf": text.encode()})
             for number, text in enumerate(texts)
             for command in ("setconf", "addconf")[number % 2:][:1]]
    assert len(cases) > 600
    assert not differences(answer, tmp_path, cases)


def pipe_with(content):
    """The read end of a pipe with this content."""
    there, here = os.pipe()
    os.write(here, content)
    os.close(here)
    return there


@pytest.mark.parametrize("content", [*sorted(FILES.values()), b"", b"[Interface]\nFwMark=1",
                                     f"[Peer]\nPublicKey={A}\n".encode(), b"x=y\n"])
@pytest.mark.parametrize("is_file", [True, False])
def test_standard_input(answer, tmp_path, content, is_file):
    """A file or a pipe, which differ only if they are empty."""
    world = World(answer, tmp_path)
    (tmp_path / "input").write_bytes(content)
    for words in (["setconf", INTERFACE, "/dev/stdin"],
                  ["set", INTERFACE, "private-key", "/dev/stdin"],
                  ["set", INTERFACE, "peer", A, "preshared-key", "/dev/stdin"], ["pubkey"]):
        ends = []
        for tool in "fwg", "wg":
            stdin = os.open(tmp_path / "input", os.O_RDONLY) if is_file else pipe_with(content)
            ends.append(world.run(tool, words, stdin))
            os.close(stdin)
        ours, theirs = ends
        assert (ours[0], ours[1], ours[3]) == (theirs[0], theirs[1], theirs[3]), words
        assert means_the_same(ours[2], theirs[2]), words


# Output.

def endpoint(generator):
    """The attribute with an endpoint, or none."""
    port = generator.choice([0, 1, 51820, 65535])
    if generator.random() < .3:
        return []
    if generator.random() < .5:
        return [nl.attribute(nl.P_ENDPOINT, struct.pack("=H", socket.AF_INET) + struct.pack(
            ">H", port) + generator.randbytes(4) + bytes(8))]
    address = generator.choice("::1 2001:db8::1 fe80::1 ::ffff:1.2.3.4 :: 1::2:3:4".split())
    scope = generator.choice([0, 1, 4711]) if address == "fe80::1" else 0
    return [nl.attribute(nl.P_ENDPOINT, struct.pack("=H", socket.AF_INET6) + struct.pack(
        ">HI", port, 0) + socket.inet_pton(socket.AF_INET6, address) + struct.pack("=I", scope))]


def figure(generator):
    """A number of bytes."""
    return generator.choice([0, 1, 1023, 1024, 1536, 2 ** 20 - 1, 2 ** 20, 2 ** 30 - 1, 2 ** 30,
                             2 ** 40 - 1, 2 ** 40, 2 ** 50, 2 ** 60 + 1, 2 ** 64 - 1,
                             generator.getrandbits(generator.randrange(1, 65))])


def heard_at(generator):
    """The time of a handshake."""
    ago = generator.choice([0, 1, 2, 59, 60, 61, 120, 3599, 3600, 3601, 86399, 86400, 90061,
                            31535999, 31536000, 31536001, 63072000, -1, -86400,
                            generator.randrange(NOW)])
    return generator.choice([(0, 0), (NOW - ago, generator.randrange(10 ** 9))])


def peer_attributes(generator):
    """Attributes of a peer in a dump."""
    return [nl.attribute(nl.P_PUBLIC_KEY, generator.randbytes(32)),
            nl.attribute(nl.P_PSK, generator.choice([bytes(32), generator.randbytes(32)])),
            nl.attribute(P_HANDSHAKE, ("=qq", *heard_at(generator))),
            nl.attribute(nl.P_KEEPALIVE, ("=H", generator.choice([0, 1, 25, 60, 90, 3600, 65535]))),
            nl.attribute(P_TX, ("=Q", figure(generator))),
            nl.attribute(P_RX, ("=Q", figure(generator))), *endpoint(generator)]


def some_ips(generator):
    """Allowed IPs of all kinds."""
    def address():
        if generator.random() < .5:
            return f"{socket.inet_ntoa(generator.randbytes(4))}/{generator.randrange(33)}"
        text = socket.inet_ntop(socket.AF_INET6, generator.choice([
            generator.randbytes(16), bytes(12) + generator.randbytes(4), bytes(16),
            bytes(10) + b"\xff\xff" + generator.randbytes(4), b"\xfe\x80" + bytes(12) + b"xx"]))
        return f"{text}/{generator.randrange(129)}"
    return [nl.allowed_ip(address()) for _ in range(generator.choice([0, 0, 1, 2, 3, 40]))]


def device_messages(generator, name, count):
    """A dump, in which peers may be continued in the next message."""
    messages, peers = [], []
    first = [nl.attribute(nl.PORT, ("=H", generator.choice([0, 1, 65535]))),
             nl.attribute(nl.FWMARK, ("=I", generator.choice([0, 1, 0xca6c, 0xffffffff])))]
    for kind in generator.choice([(), (nl.PRIVATE_KEY, PUBLIC_KEY)]):
        first.append(nl.attribute(kind, generator.randbytes(32)))

    def end():
        messages.append(b"".join([nl.attribute(nl.IFNAME, name), *first, nl.attribute(
            nl.PEERS, peers)] if peers or not messages else []))
        first.clear()
        peers.clear()

    for _ in range(count):
        attributes, ips = peer_attributes(generator), some_ips(generator)
        for start in range(0, len(ips) or 1, 7 if generator.random() < .5 else 99):
            if start:
                end()
                attributes = attributes[:1]
            peers.append(nl.attribute(0, [*attributes, nl.attribute(
                nl.P_IPS, ips[start:start + 7])] if ips else attributes))
        if generator.random() < .3:
            end()
    end()
    return b"".join(struct.pack("=I", len(message)) + message for message in messages)


FIELDS = ("public-key private-key listen-port fwmark peers preshared-keys endpoints allowed-ips "
          "latest-handshakes transfer persistent-keepalive dump").split()
OURS = re.compile(r"^  (\x1b\[1m)?(generation|fork check|forks seen|last reset)(\x1b\[0m)?: .*\n",
                  re.M)


@pytest.mark.parametrize("seed, count", [
    (0, 0), *((seed, 1 + seed) for seed in range(1, 9)), (9, 300)])
def test_what_is_shown(answer, tmp_path, seed, count):
    """fwg shows all dumps byte for byte as wg does."""
    generator = random.Random(seed)
    names = [INTERFACE, "wg1", "it's a name\xa0\x1b"][:1 + seed % 3]
    world = World(answer, tmp_path, {"LINKS": "/".join(names)})
    for name in names:
        (tmp_path / name).write_bytes(device_messages(generator, name, count))
    commands = [["showconf", INTERFACE], ["show", "interfaces"]]
    commands += [["show", which, field] for which in (INTERFACE, "all") for field in FIELDS]
    for words in commands:
        ours, theirs = (world.run(tool, words) for tool in ("fwg", "wg"))
        assert ours == theirs and ours[0] == 0, words
    for settings in itertools.product(("always", "never", "auto"), ("never", "always", "")):
        world.environment |= dict(zip(("WG_COLOR_MODE", "WG_HIDE_KEYS"), settings))
        for words in [], ["show"], ["show", INTERFACE], ["show", "all"]:
            ours, theirs = (world.run(tool, words) for tool in ("fwg", "wg"))
            assert len(OURS.findall(ours[1])) % 4 == 0 and OURS.search(ours[1])
            assert (ours[0], OURS.sub("", ours[1]), ours[2]) == theirs[:3], (words, settings)


def test_colours_on_a_terminal(answer, tmp_path):
    """On a terminal, output is coloured by default."""
    world = World(answer, tmp_path)
    world.environment.pop("WG_COLOR_MODE", None)
    (tmp_path / INTERFACE).write_bytes(device_messages(random.Random(7), INTERFACE, 3))
    shown = []
    for tool in "fwg", "wg":
        terminal, inside = os.openpty()
        with subprocess.Popen([TOOLS[tool]], env=world.environment, stdout=inside):
            os.close(inside)
            text = b""
            with contextlib.suppress(OSError):  # EIO is the end
                while data := os.read(terminal, 65536):
                    text += data
        os.close(terminal)
        shown.append(OURS.sub("", text.decode().replace("\r", "")))
    assert shown[0] == shown[1] and "\x1b[32m\x1b[1minterface" in shown[0]


@pytest.mark.parametrize("seed", range(4))
def test_json_tells_what_dump_tells(answer, tmp_path, seed):
    """JSON output agrees with the dump, member by member."""
    world = World(answer, tmp_path)
    (tmp_path / INTERFACE).write_bytes(device_messages(random.Random(seed), INTERFACE, 3 * seed))
    lines = [line.split("\t")
             for line in world.run("wg", ["show", INTERFACE, "dump"])[1].splitlines()]
    shown, = json.loads(world.run("fwg", ["show", INTERFACE, "dump", "--json"])[1])

    def text(value):
        return "(none)" if value is None else value

    assert [text(shown["private_key"]), text(shown["public_key"]), str(shown["listen_port"]),
            f"{shown['fwmark']:#x}" if shown["fwmark"] else "off"] == lines[0]
    assert [[peer["public_key"], text(peer["preshared_key"]), text(peer["endpoint"]),
             ",".join(peer["allowed_ips"]) or "(none)", str(peer["latest_handshake"] or 0),
             str(peer["rx_bytes"]), str(peer["tx_bytes"]),
             str(peer["persistent_keepalive"] or "off")]
            for peer in shown["peers"]] == lines[1:]


# Present and wanted configurations.

@pytest.mark.parametrize("seed", range(12))
def test_syncconf(answer, tmp_path, seed):
    """For an interface with peers: fwg removes the same ones, and sends the same for the others,
    except that it also ends preshared keys and keepalives that the file lacks, as later wg does."""
    generator = random.Random(seed)
    keys = [generator.randbytes(32) for _ in range(8)]
    there = generator.sample(keys, generator.choice([0, 3, 6]))
    wanted = generator.sample(keys, generator.choice([0, 2, 5]))
    world = World(answer, tmp_path)
    message = nl.attribute(nl.IFNAME, INTERFACE) + nl.attribute(nl.PEERS, [
        nl.peer(key, *(["10.0.0.0/8"] if seed % 2 else []), psk=bytes([7]) * 32, keepalive=25)
        for key in there])
    (tmp_path / INTERFACE).write_bytes(struct.pack("=I", len(message)) + message)
    (tmp_path / "conf").write_text("[Interface]\nListenPort = 7\n" + "".join(
        f"[Peer]\nPublicKey = {base64.b64encode(key).decode()}\n"
        + generator.choice(["", "AllowedIPs = 10.0.0.0/8\n", "Endpoint = 192.0.2.1:9\n"])
        for key in wanted))
    ours, theirs = (world.run(tool, ["syncconf", INTERFACE, "conf"]) for tool in ("fwg", "wg"))
    assert ours[:3] == theirs[:3] == (0, "", "")
    again = set(there) & set(wanted)
    expected = applied(there, theirs[3])
    for key in again:
        expected[key] |= {nl.P_PSK: bytes(32), nl.P_KEEPALIVE: bytes(2)}
    assert applied(there, ours[3]) == expected
    assert set(expected) == set(wanted)
    # Peers that stay are not created again.
    assert not again or nl.FLAGS not in ours[3][0]


def applied(there, told):
    """The peers after the messages to an interface, by key, and their changes."""
    device, peers = told
    state = {} if device.get(nl.FLAGS, b"\0")[0] & nl.REPLACE_PEERS else {key: {} for key in there}
    for peer, ips in peers:
        key = peer[nl.P_PUBLIC_KEY]
        if "remove" in peer:
            state.pop(key, None)
            continue
        before = state.get(key, {}).get("ips", ["those before"])
        replace = peer.get(nl.P_FLAGS, b"\0")[0] & nl.REPLACE_IPS
        state[key] = state.get(key, {}) | peer | {"ips": ips if replace else before + ips}
    return state


def test_syncconf_of_a_peer_that_is_written_twice(answer, tmp_path):
    """The second section of a peer does not undo settings of the first."""
    world = World(answer, tmp_path)
    message = nl.attribute(nl.IFNAME, INTERFACE) + nl.attribute(nl.PEERS, [
        nl.peer(base64.b64decode(A), psk=bytes([7]) * 32)])
    (tmp_path / INTERFACE).write_bytes(struct.pack("=I", len(message)) + message)
    sections = [f"[Peer]\nPublicKey={A}\nPresharedKey={B}\n", *[f"[Peer]\nPublicKey={A}\n"] * 4]
    for text in sections, sections[::-1]:
        (tmp_path / "conf").write_text("".join(text))
        _, peers = world.run("fwg", ["syncconf", INTERFACE, "conf"])[3]
        told = [peer[nl.P_PSK] for peer, _ in peers if nl.P_PSK in peer]
        assert told[-1] == base64.b64decode(B)
