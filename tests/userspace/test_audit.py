# SPDX-License-Identifier: GPL-2.0
"""fwg-audit: every verdict on captures made for it, and against a brute-force oracle."""

import base64
import json
import os
import random
import resource
import signal
import struct
import subprocess
from pathlib import Path

import captures
import chance
import pytest
from captures import ethernet, frame, ipv4, ipv6, pcap, pcapng, udp
from messages import cookie, initiation, response, transport

AUDIT = os.environ.get("FWG_AUDIT") or Path(__file__).parents[2] / "build" / "fwg-audit"

EPHEMERAL = bytes(range(32))
TEXT, OTHER_TEXT = b"a" * 48, b"b" * 48


def run(*arguments, timeout=60):
    return subprocess.run([AUDIT, *arguments], capture_output=True, timeout=timeout, check=False)


def shown(value):
    """Parameters as the tests' names show them: texts, and not whole packets."""
    return value if isinstance(value, str) else type(value).__name__


def run_json(*arguments):
    """The exit status, the JSON document and the lines on stderr."""
    done = run("--json", *arguments)
    return done.returncode, json.loads(done.stdout), done.stderr.decode().splitlines()


class Folder:
    """Writes captures into a folder and audits them."""

    def __init__(self, path):
        self.path = path

    def write(self, **files):
        return [self.write_one(name, data) for name, data in files.items()]

    def write_one(self, name, data):
        path = self.path / name
        path.write_bytes(data)
        return path

    def audit(self, *arguments, **files):
        return run_json(*arguments, *self.write(**files))


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def places(report):
    """The reuses as (kind, first place, other place), places as (file's name, packet)."""
    return [(reuse["kind"],
             (Path(reuse["a"]["file"]).name, reuse["a"]["packet"]),
             (Path(reuse["b"]["file"]).name, reuse["b"]["packet"])) for reuse in report["reuses"]]


def expect_clean(result, judged):
    status, report, errors = result
    assert (status, report["verdict"], report["reuses"], errors) == (0, "clean", [], [])
    assert report["judged"] == judged


def expect_reuse(result, *expected):
    status, report, errors = result
    assert (status, report["verdict"], errors) == (1, "reuse", [])
    assert places(report) == list(expected)
    assert report["reused"] == len(expected)


def expect_inconclusive(result, *words):
    """One error, with these words, and no verdict."""
    status, report, errors = result
    assert (status, report["verdict"], report["reused"]) == (2, "inconclusive", 0)
    assert len(errors) == 1 and errors == ["fwg-audit: " + error for error in report["errors"]]
    for word in words:
        assert word in errors[0]


# Verdicts

def test_no_reuse(folder):
    frames = [frame(initiation(1, EPHEMERAL)), frame(response(2, 1, EPHEMERAL)),
              frame(cookie(1, bytes(24)))]
    frames += [frame(transport(index, counter, TEXT))
               for index in (1, 2) for counter in (0, 1, 2**64 - 1)]
    result = folder.audit(a=pcap(frames))
    expect_clean(result, 9)
    report = result[1]
    assert report["files"] == [{"name": str(folder.path / "a"), "packets": 9, "messages": 9,
                                "other": 0, "unjudged": 0}]
    assert report["sessions"] == [
        {"receiver": f"0x0000000{index}", "messages": 3, "distinct": 3, "first_counter": 0,
         "last_counter": 2**64 - 1, "files": 1, "ambiguous": False} for index in (1, 2)]
    assert report["handshakes"] == {"initiations": 1, "responses": 1, "cookies": 1,
                                    "ephemerals": 2, "shared": 0}


def test_reuse_within_a_file(folder):
    result = folder.audit(a=pcap([frame(transport(0x1234, 7, TEXT)),
                                  frame(transport(0x1234, 8, TEXT)),
                                  frame(transport(0x1234, 7, OTHER_TEXT))]))
    expect_reuse(result, ("transport", ("a", 1), ("a", 3)))
    assert result[1]["reuses"][0]["receiver"] == "0x00001234"
    assert result[1]["reuses"][0]["counter"] == 7


def test_reuse_across_files(folder):
    expect_reuse(folder.audit(a=pcap([frame(transport(1, 0)), frame(transport(1, 7, TEXT))]),
                              b=pcapng([frame(transport(1, 7, OTHER_TEXT))])),
                 ("transport", ("a", 2), ("b", 1)))


def test_texts_that_differ_in_length_or_in_one_bit(folder):
    flipped = TEXT[:-1] + bytes([TEXT[-1] ^ 0x80])
    expect_reuse(folder.audit(a=pcap([frame(transport(1, 1, TEXT)),
                                      frame(transport(1, 1, TEXT + bytes(16))),
                                      frame(transport(1, 1, flipped)),
                                      frame(transport(1, 1, TEXT[:16]))])),
                 *[("transport", ("a", 1), ("a", n)) for n in (2, 3, 4)])


def test_same_message_is_no_reuse(folder):
    messages = [transport(1, 1, TEXT), initiation(1, EPHEMERAL), response(1, 2, EPHEMERAL),
                cookie(3, bytes(24), bytes(range(32)))]
    frames = [frame(message) for message in messages]
    other_way = [ethernet(ipv6(udp(message))) for message in messages]
    result = folder.audit(a=pcap(frames + frames), b=pcap(other_way))
    expect_clean(result, 12)
    session = result[1]["sessions"][0]
    assert (session["messages"], session["distinct"], session["files"]) == (3, 1, 2)


@pytest.mark.parametrize("kind, make", [
    ("initiation", lambda text: initiation(1, EPHEMERAL, text * 76)),
    ("response", lambda text: response(1, 2, EPHEMERAL, text * 16)),
])
def test_handshake_reuse(folder, kind, make):
    result = folder.audit(a=pcap([frame(make(b"x"))]), b=pcap([frame(make(b"y"))]))
    expect_reuse(result, (kind, ("a", 1), ("b", 1)))
    assert base64.b64decode(result[1]["reuses"][0]["ephemeral"]) == EPHEMERAL
    assert result[1]["handshakes"]["ephemerals"] == 1
    assert result[1]["handshakes"]["shared"] == 1


@pytest.mark.parametrize("make, length", [
    (lambda text: initiation(1, EPHEMERAL, text), 76),
    (lambda text: response(1, 2, EPHEMERAL, text), 16),
    (lambda text: cookie(1, bytes(24), text), 32),
    (lambda text: transport(1, 2, text), 48),
])
def test_every_encrypted_byte_counts(folder, make, length):
    texts = [bytes(n == m for m in range(length)) for n in range(-1, length)]
    result = folder.audit(a=pcap([frame(make(text)) for text in texts]))
    assert (result[0], result[1]["reused"]) == (1, length)


@pytest.mark.parametrize("make, length", [
    (lambda nonce, text: initiation(1, nonce, text * 76), 32),
    (lambda nonce, text: response(1, 2, nonce, text * 16), 32),
    (lambda nonce, text: cookie(1, nonce, text * 32), 24),
    (lambda nonce, text: b"\4\0\0\0" + nonce + text * 16, 12),
])
def test_every_byte_of_the_nonce_counts(folder, make, length):
    """Nonces that differ in one byte are two."""
    nonces = [bytes(n == m for m in range(length)) for n in range(-1, length)]
    frames = [frame(make(nonce, bytes([n]))) for n, nonce in enumerate(nonces)]
    expect_clean(folder.audit(a=pcap(frames)), length + 1)


def test_what_no_key_encrypts_does_not_count(folder):
    mac = bytes(range(16))
    frames = [frame(message) for message in (
        initiation(1, EPHEMERAL), initiation(2, EPHEMERAL, mac1=mac, mac2=mac),
        response(1, 2, EPHEMERAL), response(3, 4, EPHEMERAL, mac1=mac, mac2=mac))]
    expect_clean(folder.audit(a=pcap(frames)), 4)


def test_ephemerals_shared_by_files(folder):
    """Counted once each, whether encrypted under or not, and not within one file."""
    only_a, shared, in_all = bytes(32), b"s" * 32, b"t" * 32
    a = [initiation(1, only_a), initiation(2, only_a), initiation(3, shared)]
    b = [response(4, 5, in_all), initiation(6, shared)]
    c = [response(7, 8, in_all), response(7, 8, in_all)]
    d = [response(9, 9, in_all)]
    files = {name: pcap([frame(message) for message in messages])
             for name, messages in zip("abcd", (a, b, c, d))}
    status, report, _ = folder.audit(**files)
    assert status == 0
    assert report["handshakes"] == {"initiations": 4, "responses": 4, "cookies": 0,
                                    "ephemerals": 3, "shared": 2}


def test_cookie_reuse(folder):
    """Whoever it is for: the key of all a host's cookie replies is the same."""
    nonce = bytes(range(24))
    result = folder.audit(a=pcap([frame(cookie(1, nonce, b"x" * 32)),
                                  frame(cookie(1, nonce, b"x" * 32)),
                                  frame(cookie(2, nonce, b"y" * 32))]))
    expect_reuse(result, ("cookie", ("a", 1), ("a", 3)))
    assert base64.b64decode(result[1]["reuses"][0]["nonce"]) == nonce
    assert result[1]["reuses"][0]["receiver"] == "0x00000002"


def test_kinds_do_not_mix(folder):
    """The same 32 bytes as ephemeral of both kinds, and as the start of anything else."""
    expect_clean(folder.audit(a=pcap([
        frame(initiation(1, EPHEMERAL)), frame(response(1, 1, EPHEMERAL)),
        frame(cookie(1, EPHEMERAL[:24])), frame(transport(1, 1, EPHEMERAL))])), 4)


def test_three_texts_under_one_nonce(folder):
    """Each different one is reported once, against the first."""
    frames = [frame(transport(9, 9, text * 16)) for text in (b"1", b"2", b"1", b"3", b"2", b"3")]
    result = folder.audit(a=pcap(frames), b=pcap(frames))
    expect_reuse(result, ("transport", ("a", 1), ("a", 2)), ("transport", ("a", 1), ("a", 4)))
    assert result[1]["sessions"][0]["messages"] == 12
    assert result[1]["sessions"][0]["distinct"] == 3


def test_index_chosen_twice_is_marked(folder):
    """Still a reuse, but said to be perhaps two sessions."""
    frames = [frame(message) for message in (
        initiation(5, b"e" * 32), transport(5, 0, TEXT),
        response(5, 6, b"f" * 32), transport(5, 0, OTHER_TEXT),
        initiation(7, b"g" * 32), initiation(7, b"g" * 32), transport(7, 0, TEXT),
        transport(7, 0, OTHER_TEXT))]
    _, report, _ = result = folder.audit(a=pcap(frames))
    expect_reuse(result, ("transport", ("a", 2), ("a", 4)), ("transport", ("a", 7), ("a", 8)))
    assert [reuse["ambiguous"] for reuse in report["reuses"]] == [True, False]
    assert [session["ambiguous"] for session in report["sessions"]] == [True, False]


# What is no message

@pytest.mark.parametrize("payload", [
    b"", b"\4", b"\4\0\0", bytes(64), transport(1, 1)[:31], b"\4\0\0\1" + bytes(60),
    b"\5\0\0\0" + bytes(60), initiation(1, EPHEMERAL)[:-1], initiation(1, EPHEMERAL) + b"\0",
    response(1, 1, EPHEMERAL)[:-1], response(1, 1, EPHEMERAL) + b"\0",
    cookie(1, bytes(24))[:-1], cookie(1, bytes(24)) + b"\0",
], ids=shown)
def test_foreign_payload(folder, payload):
    result = folder.audit(a=pcap([frame(payload)]))
    expect_inconclusive(result, "nothing to judge")
    assert result[1]["files"][0]["other"] == 1
    expect_clean(folder.audit(b=pcap([frame(payload), frame(transport(1, 1))])), 1)


@pytest.mark.parametrize("other", [
    ethernet(b"\0" * 46, ethertype=0x0806),
    ethernet(ipv4(b"", protocol=6)),
    ethernet(ipv4(transport(1, 1), protocol=6, total=0)),
    ethernet(ipv4(transport(1, 1), protocol=6, fragment=0x2000)),
    ethernet(ipv6(transport(1, 1), protocol=6)),
    ethernet(ipv6(transport(1, 1), protocol=6, total=0)),
    ethernet(ipv6(udp(transport(1, 1)), protocol=59)),
    ethernet(ipv6(transport(1, 1), protocol=6, extensions=[(44, b"\0\0\1\0\0\0\1")])),
], ids=shown)
def test_foreign_packet(folder, other):
    result = folder.audit(a=pcap([other, frame(transport(1, 1))]))
    expect_clean(result, 1)
    assert result[1]["files"][0]["other"] == 1


# Link types, encapsulations, file formats

LINKS = {
    "ethernet": (captures.ETHERNET, ethernet),
    "vlan": (captures.ETHERNET, lambda packet: ethernet(packet, [0x8100])),
    "stacked vlans": (captures.ETHERNET, lambda packet: ethernet(packet, [0x88a8, 0x8100])),
    "raw": (captures.RAW, lambda packet: packet),
    "null": (captures.NULL,
             lambda packet: struct.pack("<I", 10 if packet[0] >> 4 == 6 else 2) + packet),
    "null, big endian": (captures.NULL,
                         lambda packet: struct.pack(">I", 28 if packet[0] >> 4 == 6 else 2) +
                         packet),
    "loop": (captures.LOOP,
             lambda packet: struct.pack(">I", 24 if packet[0] >> 4 == 6 else 2) + packet),
    "sll": (captures.SLL, lambda packet: bytes(14) +
            struct.pack(">H", 0x86dd if packet[0] >> 4 == 6 else 0x0800) + packet),
    "sll2": (captures.SLL2, lambda packet:
             struct.pack(">H", 0x86dd if packet[0] >> 4 == 6 else 0x0800) + bytes(18) + packet),
}


@pytest.mark.parametrize("name", LINKS)
@pytest.mark.parametrize("ip", [ipv4, ipv6])
def test_link_type(folder, name, ip):
    link, wrap = LINKS[name]
    frames = [wrap(ip(udp(transport(1, 1, text)))) for text in (TEXT, TEXT, OTHER_TEXT)]
    expect_reuse(folder.audit(a=pcap(frames, link)), ("transport", ("a", 1), ("a", 3)))
    expect_clean(folder.audit(b=pcap(frames[:2], link)), 2)


@pytest.mark.parametrize("link, ip", [(captures.IPV4, ipv4), (captures.IPV6, ipv6)])
def test_link_type_of_one_ip_version(folder, link, ip):
    frames = [ip(udp(transport(1, 1, text))) for text in (TEXT, OTHER_TEXT)]
    expect_reuse(folder.audit(a=pcap(frames, link)), ("transport", ("a", 1), ("a", 2)))


def test_link_type_unknown(folder):
    fine = pcap([frame(transport(1, 1))])
    expect_inconclusive(folder.audit(a=pcap([frame(transport(1, 1))], link=105), b=fine),
                        f"{folder.path}/a: link type IEEE802_11 is not supported")
    expect_inconclusive(folder.audit(a=pcap([frame(transport(1, 1))], link=290), b=fine),
                        f"{folder.path}/a: link type")


@pytest.mark.parametrize("packet", [
    ipv4(udp(transport(1, 1, TEXT)), options=bytes([1] * 40)),
    ipv4(udp(transport(1, 1, TEXT)), fragment=0x4000),
    ipv4(udp(transport(1, 1, TEXT))) + bytes(20),
    ipv4(udp(transport(1, 1, TEXT)) + bytes(20)),
    ipv6(udp(transport(1, 1, TEXT)), extensions=[(0, bytes(7)), (60, b"\1" + bytes(14))]),
    ipv6(udp(transport(1, 1, TEXT)), extensions=[(43, bytes(7)), (51, b"\4" + bytes(22))]),
    ipv6(udp(transport(1, 1, TEXT)), extensions=[(44, bytes(7))]),
    ipv6(udp(transport(1, 1, TEXT)), extensions=[(135, bytes(7)), (139, bytes(7)),
                                                 (140, bytes(7))]),
    ipv6(udp(transport(1, 1, TEXT))) + bytes(20),
], ids=shown)
def test_packet_forms(folder, packet):
    """Options, extension headers and what trails a packet change nothing about its message."""
    expect_clean(folder.audit(a=pcap([frame(transport(1, 1, TEXT)), ethernet(packet)])), 2)


FORMATS = {
    "pcap": {}, "pcap, big endian": {"order": ">"}, "pcap, ns": {"nanoseconds": True},
    "pcap, big endian, ns": {"order": ">", "nanoseconds": True},
}
FORMATS_NG = {"pcapng": {}, "pcapng, big endian": {"order": ">"},
              "pcapng, simple blocks": {"simple": True}}


@pytest.mark.parametrize("write, options",
                         [(pcap, options) for options in FORMATS.values()] +
                         [(pcapng, options) for options in FORMATS_NG.values()])
def test_file_format(folder, write, options):
    frames = [frame(transport(1, 1, text)) for text in (TEXT, OTHER_TEXT + bytes(16))]
    expect_reuse(folder.audit(a=write(frames, **options)), ("transport", ("a", 1), ("a", 2)))


def test_datagram_that_is_yet_to_be_segmented(folder):
    """Sending hosts capture many messages as one datagram: each is judged for itself."""
    texts = [bytes([n]) * 48 for n in range(4)] + [b"last" * 4]
    alone = [frame(transport(1, n, text)) for n, text in enumerate(texts)]
    batch = b"".join(transport(1, n, text) for n, text in enumerate(texts))
    expect_clean(folder.audit(a=pcap([frame(batch)]), b=pcap(alone)), 10)
    expect_reuse(folder.audit(a=pcap([frame(batch)]),
                              b=pcap([frame(transport(1, 2, TEXT)), frame(transport(1, 4, TEXT))])),
                 ("transport", ("a", 1), ("b", 1)), ("transport", ("a", 1), ("b", 2)))
    result = folder.audit(a=pcap([frame(transport(1, 1, TEXT) + transport(1, 1, OTHER_TEXT))]))
    expect_reuse(result, ("transport", ("a", 1), ("a", 1)))
    expect_inconclusive(folder.audit(a=pcap([frame(batch + bytes(64))])), "malformed")


# What cannot be judged

@pytest.mark.parametrize("packet, why", [
    (ethernet(ipv4(udp(transport(1, 1)), fragment=0x2000)), "fragmented"),
    (ethernet(ipv4(transport(1, 1), fragment=1)), "fragmented"),
    (ethernet(ipv6(udp(transport(1, 1)), extensions=[(44, b"\0\0\1\0\0\0\1")])), "fragmented"),
    (ethernet(ipv6(transport(1, 1), extensions=[(44, b"\0\0\x08\0\0\0\1")])), "fragmented"),
    (ethernet(ipv6(udp(transport(1, 1)), extensions=[(44, b"\0\0\1\0\0\0\1"), (60, bytes(7))])),
     "fragmented"),
    (ethernet(ipv4(udp(transport(1, 1)), total=65535)), "malformed"),
    (ethernet(ipv4(udp(transport(1, 1)), total=19)), "malformed"),
    (ethernet(ipv4(udp(transport(1, 1)), version=5)), "malformed"),
    (ethernet(b"\x40" + ipv4(udp(transport(1, 1)))[1:4] + b"\0\x20" +
              ipv4(udp(transport(1, 1)))[6:]), "malformed"),
    (ethernet(b"\x50" + ipv6(udp(transport(1, 1)))[1:], ethertype=0x86dd), "malformed"),
    (ethernet(ipv4(udp(transport(1, 1), length=7))), "malformed"),
    (ethernet(ipv4(udp(transport(1, 1), length=60))), "malformed"),
    (ethernet(ipv4(udp(transport(1, 1), length=60)) + bytes(40)), "malformed"),
    (ethernet(ipv6(udp(transport(1, 1), length=60)) + bytes(40)), "malformed"),
    (ethernet(ipv6(udp(transport(1, 1), length=0), total=0)), "malformed"),
    (ethernet(ipv6(b"", extensions=[(0, b"\xff" + bytes(6))])), "malformed"),
    (ethernet(ipv4(b"\0" * 7)), "malformed"),
    (ethernet(b"\x45", ethertype=0x0800), "malformed"),
    (ethernet(b"", tags=[0x8100], ethertype=0x8100), "malformed"),
    (b"", "malformed"),
], ids=shown)
def test_packets_that_cannot_be_judged(folder, packet, why):
    """Never a pass, but a reuse beside them is still a reuse."""
    fine = [frame(transport(2, 1, TEXT)), frame(transport(2, 2, TEXT))]
    result = folder.audit(a=pcap(fine + [packet, packet]))
    expect_inconclusive(result, str(folder.path / "a"), why, "packet 3", "2 packets")
    assert result[1]["files"][0]["unjudged"] == 2

    status, report, errors = folder.audit(a=pcap(fine + [packet, frame(transport(2, 1))]))
    assert (status, report["verdict"], report["reused"]) == (1, "reuse", 1)
    assert len(errors) == 1 and why in errors[0]


def test_snapshot_length(folder):
    """Each shorter capture of a message is an error; of other traffic it is not once that shows."""
    whole = ethernet(ipv6(udp(transport(1, 1, TEXT)), extensions=[(60, bytes(7))]), [0x8100])
    fine = frame(transport(2, 1))
    for have in range(len(whole)):
        expect_inconclusive(folder.audit(a=pcap([fine, (whole[:have], len(whole))])), "cut short")
    expect_clean(folder.audit(a=pcap([fine, (whole, len(whole))])), 2)
    # Padding that is missing takes nothing away.
    expect_clean(folder.audit(a=pcap([fine, (whole, len(whole) + 9)])), 2)

    tcp = ethernet(ipv4(bytes(100), protocol=6))
    expect_clean(folder.audit(a=pcap([fine, (tcp[:34], len(tcp))])), 1)
    expect_inconclusive(folder.audit(a=pcap([fine, (tcp[:33], len(tcp))])), "cut short")
    dns = frame(b"\x12\x34\1\0" + bytes(60))
    expect_clean(folder.audit(a=pcap([fine, (dns[:46], len(dns))])), 1)
    expect_inconclusive(folder.audit(a=pcap([fine, (dns[:45], len(dns))])), "cut short")
    # Not of the length that its type has: no message, whatever the rest is.
    odd = frame(initiation(1, EPHEMERAL) + b"\0")
    expect_clean(folder.audit(a=pcap([fine, (odd[:46], len(odd))])), 1)


# Files that are no captures, or not whole

@pytest.mark.parametrize("content, why", [
    (b"", "empty file"),
    (b"hello, world\n" * 20, "unknown file format"),
    (pcap([])[:20], "truncated"),
    (pcapng([])[:20], "truncated"),
    (pcapng([])[:28], "no Interface Description"),
], ids=shown)
def test_no_capture(folder, content, why):
    fine = pcap([frame(transport(1, 1))])
    result = folder.audit(bad=content, good=fine)
    expect_inconclusive(result, str(folder.path / "bad") + ": ", why)
    assert result[1]["judged"] == 1


@pytest.mark.parametrize("write", [pcap, pcapng])
def test_truncated_at_any_byte(folder, write):
    """A file cut between two packets looks whole; cut anywhere else, it must not pass."""
    frames = [frame(transport(1, n)) for n in range(3)]
    whole = write(frames)
    ends = {len(write(frames[:n])): n for n in range(4)}
    for length in range(len(whole) + 1):
        path = folder.write_one("a", whole[:length])
        done = run("--quiet", path)
        verdict = (0, b"clean\n") if ends.get(length) else (2, b"inconclusive\n")
        assert (done.returncode, done.stdout) == verdict, f"cut at {length}"


def test_reuse_before_the_truncation(folder):
    frames = [frame(transport(1, 1, TEXT)), frame(transport(1, 1, OTHER_TEXT)),
              frame(transport(1, 2))]
    status, report, errors = folder.audit(a=pcap(frames)[:-1])
    assert (status, report["verdict"]) == (1, "reuse")
    assert places(report) == [("transport", ("a", 1), ("a", 2))]
    assert len(errors) == 1 and "truncated" in errors[0]


def test_nothing_to_judge(folder):
    expect_inconclusive(folder.audit(a=pcap([]), b=pcapng([])), "nothing to judge")


def test_not_a_regular_file(folder):
    """Nor does a FIFO without a writer, or a terminal, make it wait."""
    fifo = folder.path / "fifo"
    os.mkfifo(fifo)
    for path in (fifo, folder.path, "/dev/zero"):
        done = run(path, timeout=10)
        assert done.returncode == 2
        assert f"{path}: not a regular file" in done.stderr.decode()


def test_missing_file(folder):
    good = folder.write_one("good", pcap([frame(transport(1, 1))]))
    done = run(good, folder.path / "missing")
    assert done.returncode == 2
    assert done.stderr.decode() == f"fwg-audit: {folder.path}/missing: No such file or directory\n"


@pytest.mark.skipif(os.geteuid() == 0 and not os.path.exists("/usr/bin/setpriv"),
                    reason="root reads every file")
def test_unreadable_file(folder):
    path = folder.write_one("a", pcap([frame(transport(1, 1))]))
    path.chmod(0)
    command = [AUDIT, path]
    if os.geteuid() == 0:
        command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--reuid=65534", *command]
        for parent in [folder.path, *folder.path.parents]:
            if not parent.stat().st_mode & 1:
                parent.chmod(parent.stat().st_mode | 0o11)
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.decode().startswith(f"fwg-audit: {path}: Permission denied\n")


def test_same_file_twice(folder):
    """It would pass for two captures that agree."""
    path = folder.write_one("a", pcap([frame(transport(1, 1))]))
    link = folder.path / "b"
    link.symlink_to(path)
    expect_inconclusive(run_json(path, link), f"{link}: the same file as {path}")


class Stopped:
    """An audit of some files, stopped in the middle of reading one."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen([AUDIT, "--json", *arguments], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)

    def position(self, path):
        """How far the file has been read, or None if it is not open."""
        fds = Path(f"/proc/{self.process.pid}/fd")
        try:
            for fd in fds.iterdir():
                if fd.readlink() == path:
                    info = (fds.parent / "fdinfo" / fd.name).read_text()
                    return int(info.split()[1])
        except (FileNotFoundError, ProcessLookupError):
            pass
        return None

    def stop_in(self, path, reading):
        """Whether it could be stopped in this reading of the file, counted from 1."""
        last = None
        while self.process.poll() is None:
            position = self.position(path)
            if position is not None and (last is None or position < last):
                reading -= 1
            last = position
            if not reading:
                self.process.send_signal(signal.SIGSTOP)
                os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
                position = self.position(path)
                return position is not None and last <= position < path.stat().st_size
        return False

    def go_on(self):
        """Lets it end and returns its status and its lines on stderr."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors.decode().splitlines()


@pytest.mark.parametrize("name, reading, passes", [("b", 1, ["--memory", "1"]), ("a", 2, [])])
def test_file_that_changes(folder, name, reading, passes):
    """A file between two readings of it, and in the middle of the last."""
    paths = folder.write(a=pcap([frame(transport(1, n)) for n in range(100000)]),
                         b=pcap([frame(transport(2, n)) for n in range(100000)]))
    for _ in range(50):
        audit = Stopped(*passes, *paths)
        stopped = audit.stop_in(folder.path / name, reading)
        if stopped:
            with paths[0].open("ab") as file:
                file.write(pcap([frame(transport(1, 1, OTHER_TEXT))])[24:])
        result = audit.go_on()
        if stopped:
            assert result == (2, [f"fwg-audit: {paths[0]}: changed while it was being read"])
            return
        assert result == (0, [])
    pytest.fail("could never be stopped in time")


# Memory

def crowd(messages, seed):
    """Frames of many sessions, shuffled, with reuses among them, some in one datagram."""
    rand = random.Random(seed)
    frames = [frame(transport(n % 7, n // 7, struct.pack("<IIQ", n, 0, 0)))
              for n in range(messages)]
    for n in rand.sample(range(messages), 300):
        frames.append(frame(transport(n % 7, n // 7, rand.randbytes(16))))
    for n in range(100):
        frames.append(frame(initiation(n, rand.choice([EPHEMERAL, rand.randbytes(32)]),
                                       rand.randbytes(76))))
    rand.shuffle(frames)
    frames.append(frame(b"".join(transport(1, n, rand.randbytes(16)) for n in range(40))))
    return frames


def test_passes_change_nothing(folder):
    """With a table too small for all, the files are read several times, to the same end."""
    frames = crowd(60000, 1)
    middle = len(frames) // 3
    paths = folder.write(a=pcap(frames[:middle]), b=pcapng(frames[middle:]))
    once, often = run("--json", *paths), run("--json", "--memory", "1", *paths)
    assert often.stdout == once.stdout
    assert (often.returncode, often.stderr) == (once.returncode, once.stderr) == (1, b"")
    assert json.loads(once.stdout)["reused"] > 300
    assert run("--memory", "1", *paths).stdout == run(*paths).stdout


def run_in(mebibytes, *arguments):
    """What the exit status is with so much address space."""
    return subprocess.run([AUDIT, *arguments], capture_output=True, timeout=60, check=False,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS,
                                                                [mebibytes << 20] * 2)).returncode


def test_memory_is_bounded(folder):
    """A table for all these messages takes 20 MiB, and the program itself fewer than 14."""
    path = folder.write_one("a", pcap([frame(transport(1, n)) for n in range(400000)]))
    assert run_in(20, "--memory", "256", path) == 2
    assert run_in(20, "--memory", "2", path) == 0


def test_one_nonce_very_often(folder):
    """A sender whose counter stands still: each ciphertext a reuse, and no slower than others."""
    frames = [frame(transport(1, 0, struct.pack("<QQ", n, n))) for n in range(70000)]
    path = folder.write_one("a", pcap(frames))
    done = run("--json", path, timeout=20)
    report = json.loads(done.stdout)
    assert (done.returncode, report["reused"], len(report["reuses"])) == (1, 69999, 65536)
    assert places(report) == [("transport", ("a", 1), ("a", n)) for n in range(2, 65538)]
    assert b"\nand 4463 reuses more\nreuse: 70000 messages judged, 69999 reuses\n" in \
        run(path, timeout=20).stdout

    done = run("--quiet", "--memory", "1", path)
    assert (done.returncode, done.stdout) == (1, b"reuse\n")
    assert b"too many ciphertexts under one nonce" in done.stderr


def test_more_sessions_than_are_listed(folder):
    frames = [frame(transport(n, 0)) for n in range((1 << 18) + 10)]
    frames.append(frame(transport((1 << 18) + 5, 0, TEXT)))
    status, report, _ = folder.audit(a=pcap(frames))
    assert (status, report["reused"]) == (1, 1)
    assert len(report["sessions"]) == 1 << 18
    assert report["unlisted"] == 11


# Output and options

def test_text(folder):
    a, b = folder.write(a=pcap([frame(initiation(0x1a2b3c4d, EPHEMERAL)), frame(b"x"),
                                frame(transport(0x1a2b3c4d, 3, TEXT)),
                                frame(transport(0x1a2b3c4d, 9, TEXT))]),
                        b=pcap([frame(transport(0x1a2b3c4d, 9, OTHER_TEXT)),
                                frame(initiation(0x1a2b3c4d, EPHEMERAL, b"n" * 76))]))
    done = run(a, b)
    assert done.returncode == 1 and not done.stderr
    assert done.stdout.decode() == f"""\
{a}: 4 packets, 3 messages, 1 other packets
{b}: 2 packets, 2 messages, 0 other packets
session 0x1a2b3c4d: 3 transport messages, 3 distinct, counters 3 to 9, files: 2
handshakes: 2 initiations, 0 responses, 0 cookie replies; 1 ephemerals, 1 in more than one file
reuse: transport 0x1a2b3c4d counter 9: {a} packet 4, {b} packet 1
reuse: initiation ephemeral {base64.b64encode(EPHEMERAL).decode()}: {a} packet 1, {b} packet 2
reuse: 5 messages judged, 2 reuses
"""
    assert run(a).stdout.decode().endswith("\nclean: 3 messages judged, 0 reuses\n")


@pytest.mark.parametrize("name, read", [
    (b'"\\\n\x1f', '"\\\n\x1f'), ("é€𝄞".encode(), "é€𝄞"),
    (b"\xff\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80\xc3", "\ufffd" * 11),
])
def test_file_names_in_json(tmp_path, name, read):
    path = os.path.join(os.fsencode(tmp_path), name)
    Path(os.fsdecode(path)).write_bytes(pcap([frame(transport(1, 1))]))
    assert json.loads(run("--json", path).stdout)["files"][0]["name"] == f"{tmp_path}/{read}"


def test_quiet(folder):
    a, b = folder.write(a=pcap([frame(transport(1, 1))]), b=pcap([frame(transport(1, 1, TEXT))]))
    assert run("-q", a).stdout == b"clean\n"
    assert run("-q", a, b).stdout == b"reuse\n"
    assert run("-q", a, folder.path / "missing").stdout == b"inconclusive\n"


@pytest.mark.parametrize("arguments, word", [
    ((), "no capture given"), (("--bogus", "x"), "--bogus"), (("-Z", "x"), "'Z'"),
    (("--memory",), "memory"), (("--json", "--quiet", "x"), "--json and --quiet"),
    *[(("--memory", word, "x"), f": {word}") for word in
      ("0", "-1", "1x", "", " 1", "+1", "1048577", "99999999999999999999")],
])
def test_bad_usage(arguments, word):
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert len(done.stderr.splitlines()) == 1 and word in done.stderr.decode()


def test_help_and_version():
    done = run("--help")
    assert done.returncode == 0 and done.stdout.startswith(b"Usage: fwg-audit ")
    done = run("--version")
    assert done.returncode == 0 and done.stdout.startswith(b"fwg-audit ")


def test_report_that_cannot_be_written(folder):
    path = folder.write_one("a", pcap([frame(transport(1, 1))]))
    with open("/dev/full", "wb") as full:
        done = subprocess.run([AUDIT, path], stdout=full, stderr=subprocess.PIPE, timeout=60,
                              check=False)
    assert done.returncode == 2 and b"cannot write the report" in done.stderr


# Against an oracle

class Oracle:
    """Judges by comparing every message with all before."""

    def __init__(self):
        self.texts, self.reuses, self.sessions = {}, [], {}
        self.judged, self.files_of = 0, {}

    def see(self, kind, nonce, text, index, counter, place):
        self.judged += 1
        if kind != "cookie":
            session = self.sessions.setdefault(index, {"receiver": f"0x{index:08x}",
                                                       "messages": 0, "distinct": 0,
                                                       "counters": [], "files": set()})
        seen = self.texts.setdefault((kind, nonce), [])
        if kind in ("initiation", "response"):
            self.files_of.setdefault((kind, nonce), set()).add(place[0])
        new = all(text != other for other, _ in seen)
        if new:
            if seen:
                self.reuses.append((kind, seen[0][1], place))
            seen.append((text, place))
        if kind == "transport":
            session["messages"] += 1
            session["distinct"] += new
            session["counters"].append(counter)
            session["files"].add(place[0])

    def expected_sessions(self):
        return [{"receiver": s["receiver"], "messages": s["messages"], "distinct": s["distinct"],
                 "first_counter": min(s["counters"]), "last_counter": max(s["counters"]),
                 "files": len(s["files"])} for s in self.sessions.values() if s["messages"]]


def random_message(rand):
    """A message from so small a space that it will come again; and what Oracle.see() takes."""
    index, counter = rand.choice([0, 1, 2**31, 2**32 - 1]), rand.choice([0, 1, 2, 2**40])
    random_key = bytes([rand.randrange(12)]) * 32
    letter = bytes([rand.randrange(3)])
    kind = rand.choice(["initiation", "response", "cookie"] + ["transport"] * 5)
    if kind == "transport":
        text = letter * rand.choice([16, 17, 32])
        return transport(index, counter, text), (kind, (index, counter), text, index, counter)
    if kind == "initiation":
        message = initiation(index, random_key, letter * 76, rand.randbytes(16))
    elif kind == "response":
        message = response(index, 1, random_key, letter * 16, rand.randbytes(16))
    else:
        message = cookie(index, random_key[:24], letter * 32)
    return message, (kind, random_key, letter, index, None)


def random_packet(rand, payload):
    version = rand.choice([ipv4, ipv6])
    if version is ipv4:
        return ipv4(udp(payload), options=bytes(rand.choice([0, 4, 40])))
    return ipv6(udp(payload), extensions=rand.choice([(), [(60, bytes(7))], [(44, bytes(7))]]))


@pytest.mark.parametrize("round_", range(40))
def test_against_the_oracle(folder, round_):
    rand, oracle, files = chance.generator(f"oracle {round_}"), Oracle(), {}
    for name in "abcd"[:rand.randint(1, 4)]:
        link, wrap = rand.choice(list(LINKS.values()))
        frames = []
        for _ in range(rand.randint(1, 80)):
            if rand.random() < 0.2:
                frames.append(wrap(random_packet(rand, rand.randbytes(rand.randrange(200)) + b"!")))
                continue
            message, facts = random_message(rand)
            frames.append(wrap(random_packet(rand, message)))
            oracle.see(*facts, (name, len(frames)))
        write, options = rand.choice([(pcap, o) for o in FORMATS.values()] +
                                     [(pcapng, o) for o in FORMATS_NG.values()])
        files[name] = write(frames, link, **options)

    status, report, errors = folder.audit(**files)
    if oracle.judged:
        assert not errors
        assert status == bool(oracle.reuses)
    assert places(report) == oracle.reuses
    assert report["judged"] == oracle.judged
    for session in report["sessions"]:
        del session["ambiguous"]
    assert report["sessions"] == oracle.expected_sessions()
    assert report["handshakes"]["ephemerals"] == len(oracle.files_of)
    assert report["handshakes"]["shared"] == sum(len(f) > 1 for f in oracle.files_of.values())


# Damage

def damage(rand, data):
    data = bytearray(data)
    for _ in range(rand.randint(1, 6)):
        where = rand.randrange(len(data))
        way = rand.randrange(4)
        if way == 0:
            data[where] ^= 1 << rand.randrange(8)
        elif way == 1:
            data[where] = rand.choice([0, 1, 0x7f, 0x80, 0xff])
        elif way == 2:
            del data[where:where + rand.randint(1, 8)]
        else:
            data[where:where] = rand.randbytes(rand.randint(1, 8))
        if not data:
            return b"\0"
    return bytes(data)


def test_damaged_captures(folder):
    """10,000 of them, 500 in a process: no crash, a sane status, a whole report."""
    rand = chance.generator("damage")
    whole = []
    for link, wrap in LINKS.values():
        frames = [wrap(random_packet(rand, message)) for message in
                  (initiation(1, EPHEMERAL), response(2, 1, EPHEMERAL), cookie(1, bytes(24)),
                   transport(1, 1), transport(2, 1) + transport(2, 2))]
        frames.append((frames[3][:60], len(frames[3])))
        whole += [pcap(frames, link), pcapng(frames, link), pcap(frames, link, ">")]
    for batch in range(20):
        paths = [folder.write_one(str(n), damage(rand, rand.choice(whole))) for n in range(500)]
        done = run("--json", *paths)
        assert done.returncode in (1, 2), (batch, done.stderr[-2000:])
        report = json.loads(done.stdout)
        assert len(report["files"]) == 500
        assert len(done.stderr.splitlines()) == len(report["errors"])
