# SPDX-License-Identifier: GPL-2.0
"""fwg-audit: every verdict, on captures made for the test, and against a brute-force oracle."""

import base64
import bz2
import collections
import gzip
import json
import lzma
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
from captures import (At, enhanced, ethernet, frame, interface, ipv4, ipv6, pcap, pcapng, pppoe,
                      section, udp)
from messages import cookie, initiation, response, transport

AUDIT = os.environ.get("FWG_AUDIT") or Path(__file__).parents[2] / "build" / "fwg-audit"

SESSIONS_LISTED = 1 << 18

EPHEMERAL = bytes(range(32))
TEXT, OTHER_TEXT = b"a" * 48, b"b" * 48


def run(*arguments, timeout=60):
    return subprocess.run([AUDIT, *arguments], capture_output=True, timeout=timeout, check=False)


def shown(value):
    """Parameters in the tests' names: texts, but no packets."""
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
    """The reuses as (kind, first place, other place); a place is (file's name, packet)."""
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
    """Expects one error, with these words, and no verdict."""
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
                                "other": 0, "filtered": 0, "encapsulated": 0, "unjudged": 0}]
    assert report["sessions"] == [
        {"receiver": f"0x0000000{index}", "messages": 3, "distinct": 3, "first_counter": 0,
         "last_counter": 2**64 - 1, "files": 1, "handshake": True, "several": False}
        for index in (1, 2)]
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
    """Nonces that differ in one byte are different."""
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
    """Each is counted once, even if nothing is encrypted under it, but not within one file."""
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
    """For any receiver: all cookie replies of a host have the same key."""
    nonce = bytes(range(24))
    result = folder.audit(a=pcap([frame(cookie(1, nonce, b"x" * 32)),
                                  frame(cookie(1, nonce, b"x" * 32)),
                                  frame(cookie(2, nonce, b"y" * 32))]))
    expect_reuse(result, ("cookie", ("a", 1), ("a", 3)))
    assert base64.b64decode(result[1]["reuses"][0]["nonce"]) == nonce
    assert result[1]["reuses"][0]["receiver"] == "0x00000002"


def test_kinds_do_not_mix(folder):
    """The same 32 bytes as ephemeral key of both kinds, and at the start of other messages."""
    expect_clean(folder.audit(a=pcap([
        frame(initiation(1, EPHEMERAL)), frame(response(1, 1, EPHEMERAL)),
        frame(cookie(1, EPHEMERAL[:24])), frame(transport(1, 1, EPHEMERAL))])), 4)


def test_three_texts_under_one_nonce(folder):
    """Each different text is reported once, with the first one."""
    frames = [frame(transport(9, 9, text * 16)) for text in (b"1", b"2", b"1", b"3", b"2", b"3")]
    result = folder.audit(a=pcap(frames), b=pcap(frames))
    expect_reuse(result, ("transport", ("a", 1), ("a", 2)), ("transport", ("a", 1), ("a", 4)))
    assert result[1]["sessions"][0]["messages"] == 12
    assert result[1]["sessions"][0]["distinct"] == 3


# Receiver indices of several sessions

HOUSE, OFFICE, CAFE = (bytes([10, 0, 0, host]) for host in (2, 3, 4))
INDEX = 0xabcdef01


def choice(ephemeral, peer=HOUSE, index=INDEX):
    """A peer's response, which chooses the receiver index of later data to it."""
    return frame(response(index, 7, bytes([ephemeral]) * 32), back=True,
                 hosts=(captures.V4[0], peer))


def data(text, counter=0, peer=HOUSE, index=INDEX):
    """Data to a peer; @text is a letter."""
    return frame(transport(index, counter, text.encode() * 32), hosts=(captures.V4[0], peer))


def expect_two_sessions(result, indices=1):
    status, report, errors = result
    assert (status, report["verdict"], errors) == (0, "clean", [])
    assert (report["reused"], report["doubtful"], report["chosen_twice"]) == (0, 0, indices)


def expect_doubt(result, *expected):
    status, report, errors = result
    assert (status, report["verdict"], errors) == (3, "doubtful", [])
    assert (report["reused"], report["reuses"], report["doubtful"]) == (0, [], len(expected))
    assert places({"reuses": report["doubts"]}) == list(expected)


def expect_reuse_of_index(result, *expected):
    """Expects these reuses, besides the doubts that are resolved."""
    status, report, _ = result
    assert (status, report["verdict"], report["doubts"]) == (1, "reuse", [])
    assert places(report) == [("transport", *place) for place in expected]


def test_index_chosen_twice(folder):
    """Two sessions, distinguished by their handshakes: no reuse, and none is missed in either."""
    two = [choice(1), data("a"), choice(2), data("b")]
    expect_two_sessions(folder.audit(a=pcap(two)))
    session = folder.audit(a=pcap(two))[1]["sessions"][0]
    assert (session["handshake"], session["several"]) == (True, True)
    text = run("--json", folder.write_one("a", pcap(two))).stdout
    assert json.loads(text)["sessions"][0]["distinct"] == 2
    expect_reuse_of_index(folder.audit(a=pcap([*two, data("c")])), (("a", 4), ("a", 5)))
    expect_reuse_of_index(folder.audit(a=pcap([*two[:2], data("c"), *two[2:], data("d")])),
                          (("a", 2), ("a", 3)), (("a", 5), ("a", 6)))


def test_index_in_two_handshakes_of_two_files(folder):
    expect_two_sessions(folder.audit(a=pcap([choice(1), data("a")]),
                                     b=pcap([choice(2), data("b")])))


def test_handshake_that_comes_again(folder):
    """Retransmitted or replayed, it is not a new choice."""
    expect_reuse_of_index(folder.audit(a=pcap([choice(1), data("a"), choice(1), data("b")])),
                          (("a", 2), ("a", 4)))
    expect_reuse_of_index(folder.audit(a=pcap([
        choice(1), data("a"), choice(2), data("b"), choice(1), data("c")])), (("a", 4), ("a", 6)))


@pytest.mark.parametrize("a, b", [
    ([], []), ([choice(1)], []), ([], [choice(1)]), ([choice(1)], [choice(1)]),
    ([data("x", 9), choice(1)], []),
], ids=str)
def test_clones_share_a_session(folder, a, b):
    """From before the fork. Its handshake is in one of the captures, in both, or in none."""
    result = folder.audit(a=pcap([*a, data("a", 5)]), b=pcap([*b, data("b", 5)]))
    if len(a) < 2:
        expect_reuse_of_index(result, (("a", len(a) + 1), ("b", len(b) + 1)))
    else:
        # The index was in use before it was chosen, so there were two sessions.
        expect_doubt(result, ("transport", ("a", 3), ("b", 1)))


def test_clones_share_the_second_session(folder):
    past = [choice(1), data("a"), choice(2), data("b", 1)]
    expect_reuse_of_index(folder.audit(a=pcap([*past, data("c", 2)]),
                                       b=pcap([*past, data("d", 2)])), (("a", 5), ("b", 5)))
    # In the other capture, the session may be either of the two.
    expect_doubt(folder.audit(a=pcap([*past, data("c", 2)]), b=pcap([data("d", 2)])),
                 ("transport", ("a", 5), ("b", 1)))


def test_rollback_within_a_file(folder):
    """Also long after the handshake, because the machine's clock was stopped."""
    for second in (5, 100000):
        expect_reuse_of_index(folder.audit(a=pcap([
            choice(1), data("a"), data("b", 1), At(second, data("c", 1))])), (("a", 3), ("a", 4)))


def test_rollback_after_the_index_was_chosen_anew(folder):
    """Data sent so long after the last handshake may belong to an older one."""
    frames = [At(0, choice(1)), At(1, data("a")), At(2, data("b", 1)),
              At(9000, choice(2)), At(9001, data("c"))]
    expect_two_sessions(folder.audit(a=pcap(frames)))
    expect_two_sessions(folder.audit(a=pcap([*frames, At(9240, data("d", 1))])))
    expect_doubt(folder.audit(a=pcap([*frames, At(9241, data("d", 1))])),
                 ("transport", ("a", 3), ("a", 6)))
    expect_reuse_of_index(folder.audit(a=pcap([*frames, At(9300, data("d"))])),
                          (("a", 5), ("a", 6)))


def test_capture_that_begins_within_a_session(folder):
    """Undecided, unless that session must have ended."""
    def frames(second):
        return [At(0, data("a")), At(second, choice(1)), At(second, data("b"))]

    expect_doubt(folder.audit(a=pcap(frames(240))), ("transport", ("a", 1), ("a", 3)))
    expect_two_sessions(folder.audit(a=pcap(frames(241))))
    # In another file it may continue.
    expect_doubt(folder.audit(a=pcap(frames(241)), b=pcap([data("c", 9)])),
                 ("transport", ("a", 1), ("a", 3)))
    expect_reuse_of_index(folder.audit(a=pcap([At(0, data("c")), *frames(241)])),
                          (("a", 1), ("a", 2)))


def test_index_in_use_before_it_is_chosen_elsewhere(folder):
    """One handshake in two captures; before it, one of them has another session."""
    expect_doubt(folder.audit(a=pcap([choice(1), data("a")]), b=pcap([data("b"), choice(1)])),
                 ("transport", ("a", 2), ("b", 1)))


def test_passes_over_sessions_with_one_index(folder):
    """Each pass reads the captures from the beginning."""
    late = [At(0, data("a", counter)) for counter in range(30000)] + [At(1000, choice(1))] + \
        [At(1001, data("b", counter)) for counter in range(30000)]
    expect_two_sessions(folder.audit("--memory", "1", a=pcap(late)))


def test_captures_of_both_ends(folder):
    """Clean, in any order, with translated addresses, and if one begins late."""
    def tunnel(peer):
        return [At(0, choice(1, peer)), At(1, data("a", 0, peer)), At(500, choice(2, peer)),
                At(501, data("b", 0, peer)), At(502, data("c", 1, peer))]

    here, there = tunnel(HOUSE), tunnel(OFFICE)
    for a, b in ((here, there), (here, there[1:]), (here[1:], there), (here[3:], there)):
        expect_two_sessions(folder.audit(a=pcap(a), b=pcap(b)))
    expect_reuse_of_index(folder.audit(a=pcap([*here, At(503, data("d", 2))]),
                                       b=pcap([*there, At(503, data("e", 2, OFFICE))])),
                          (("a", 6), ("b", 6)))


def test_index_chosen_by_both_ends(folder):
    """Each direction has a key of its own."""
    start = [frame(initiation(INDEX, b"i" * 32)), choice(1)]
    back = frame(transport(INDEX, 0, b"b" * 32), back=True)
    expect_two_sessions(folder.audit(a=pcap([*start, data("a"), back])))
    expect_reuse_of_index(folder.audit(a=pcap([*start, data("a"), back, data("c")])),
                          (("a", 3), ("a", 5)))
    again = frame(transport(INDEX, 0, b"d" * 32), back=True)
    expect_reuse_of_index(folder.audit(a=pcap([*start, data("a"), back, again])),
                          (("a", 4), ("a", 5)))


def test_sender_that_chose_the_index_for_itself(folder):
    """Its data belongs to another session, of which nothing is known."""
    mine = frame(initiation(INDEX, b"i" * 32))
    for frames in ([mine, data("a"), data("b")], [data("a"), mine, data("b")]):
        status, report, _ = folder.audit(a=pcap(frames))
        assert (status, report["reused"], report["doubtful"]) == (1, 1, 0)


def test_two_peers_with_one_index(folder):
    """At the same time: the destination distinguishes their data."""
    frames = [choice(1, HOUSE), choice(2, OFFICE)]
    for counter in range(3):
        frames += [data("a", counter, HOUSE), data("b", counter, OFFICE)]
    expect_two_sessions(folder.audit(a=pcap(frames)))
    expect_reuse_of_index(folder.audit(a=pcap([*frames, data("c", 1, HOUSE)])),
                          (("a", 5), ("a", 9)))
    # To an address of neither: it may belong to either.
    for peer in HOUSE, OFFICE:
        expect_doubt(folder.audit(a=pcap([*frames, data("c", 7, peer), data("d", 7, CAFE)])),
                     ("transport", ("a", 9), ("a", 10)))


def test_peer_that_roams(folder):
    frames = [At(0, choice(1)), At(1, data("a")), At(2, data("b", 1, CAFE)),
              At(900, choice(2, CAFE)), At(901, data("c", 0, CAFE)), At(902, data("d", 1, OFFICE))]
    expect_two_sessions(folder.audit(a=pcap(frames)))
    expect_reuse_of_index(folder.audit(a=pcap([*frames, At(903, data("e", 1, CAFE))])),
                          (("a", 6), ("a", 7)))
    # To the address of the old session: it may belong to that.
    expect_doubt(folder.audit(a=pcap([*frames, At(903, data("e", 2)), At(904, data("f", 2, CAFE))]),
                              b=pcap([choice(1), data("g", 2)])),
                 *[("transport", ("a", 7), place) for place in (("a", 8), ("b", 2))])


def test_ephemeral_and_index_reused(folder):
    """By clones with the same random numbers: it looks like the same handshake."""
    a, b = ([frame(initiation(INDEX, EPHEMERAL, time * 76)),
             frame(transport(INDEX, 0, time * 32), back=True)] for time in (b"1", b"2"))
    assert places(folder.audit(a=pcap(a), b=pcap(b))[1]) == [
        ("initiation", ("a", 1), ("b", 1)), ("transport", ("a", 2), ("b", 2))]


def test_message_in_two_sessions(folder):
    """Equal texts mean one session, so something else must be wrong: doubtful."""
    for start in [choice(1), data("a")], [At(0, data("a"))]:
        frames = [*start, At(999, choice(2)), At(999, data("a")), At(999, data("b"))]
        expect_doubt(folder.audit(a=pcap(frames)),
                     ("transport", ("a", len(start)), ("a", len(start) + 3)))


def counted_sessions(count, late=0):
    """A peer that counts its sessions in 8 bits, as BoringTun does, one every two minutes."""
    frames = []
    for number in range(count):
        second, index = 120 * number, 0xabcdef00 | number % 256
        frames.append(At(second, frame(response(index, 7, struct.pack(">I28x", number)),
                                       back=True)))
        frames += [At(second + counter, frame(transport(index, counter, struct.pack(">II8x", number,
                                                                                    counter))))
                   for counter in range(4)]
    return frames[late:]


def test_indices_that_are_counted(folder):
    frames = counted_sessions(300)
    expect_two_sessions(folder.audit(a=pcap(frames)), 44)
    expect_two_sessions(folder.audit(a=pcap(counted_sessions(300, 2))), 44)
    expect_two_sessions(folder.audit("--memory", "1", a=pcap(counted_sessions(1030))), 256)
    # A clone of it, from the last session on.
    other = frames[:-3] + [At(120 * 299 + 1, data("x", 1, index=0xabcdef00 | 299 % 256))]
    expect_reuse_of_index(folder.audit(a=pcap(frames), b=pcap(other)), (("a", 1498), ("b", 1498)))


def test_random_indices_that_meet(folder):
    """More sessions than are listed, with a few indices that are chosen twice by chance."""
    rand = random.Random("twenty thousand of 24 bits")
    indices = [1 << 31 | rand.getrandbits(24) for _ in range(20000)]
    twice = len(indices) - len(set(indices))
    assert 0 < twice < 50
    frames = [frame(transport(index, 0)) for index in range(SESSIONS_LISTED)]
    for number, index in enumerate(indices):
        frames.append(frame(response(index, 7, struct.pack(">I28x", number)), back=True))
        frames += [frame(transport(index, counter, struct.pack(">II8x", number, counter)))
                   for counter in (0, 1)]
    expect_two_sessions(folder.audit(a=pcap(frames)), twice)
    again = frame(transport(indices[-1], 1, TEXT))
    expect_reuse_of_index(folder.audit(a=pcap([*frames, again])),
                          (("a", len(frames)), ("a", len(frames) + 1)))


def test_suspects_beyond_the_bound(folder):
    """They are not examined, and the report says so."""
    indices = range(65536 + 3)
    frames = [one for n, text in ((1, "a"), (2, "b")) for index in indices
              for one in (choice(n, index=index), data(text, index=index))]
    result = folder.audit(a=pcap(At(0, one) for one in frames))
    status, report, _ = result
    assert (status, report["reused"], report["doubtful"], report["doubts"]) == (3, 0, 3, [])
    assert report["chosen_twice"] == 65536
    assert b"\nand 3 more doubtful cases\ndoubtful: " in run(folder.path / "a").stdout


# Packets that are no messages

@pytest.mark.parametrize("payload", [
    b"", b"\4", b"\4\0\0", bytes(64), transport(1, 1)[:31], b"\5\0\0\0" + bytes(60),
    # A DNS question whose identifier looks like a type.
    b"\4\xd2\1\0\0\1\0\0\0\0\0\0\3www\7example\3com\0\0\1\0\1",
    b"\4\0\0\1" + bytes(9) + b"\1" + bytes(50),
    initiation(1, EPHEMERAL)[:-1], initiation(1, EPHEMERAL) + b"\0",
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


def reserved(message, value=b"\xaa\xbb\xcc"):
    """The message in the form in which Cloudflare WARP sends it."""
    return message[:1] + value + message[4:]


@pytest.mark.parametrize("make, count", [
    (lambda text: transport(1, 7, text * 32), 1),
    (lambda text: initiation(1, EPHEMERAL, text * 76), 1),
    (lambda text: response(1, 2, EPHEMERAL, text * 16), 1),
    (lambda text: cookie(1, bytes(24), text * 32), 1),
    # In one datagram, before segmentation.
    (lambda text: b"".join(reserved(transport(1, n, text * 32)) for n in (7, 8)), 2),
])
def test_reserved_bytes(folder, make, count):
    """They are for routing, and not part of the ciphertext. With --strict, it is no message."""
    frames = [frame(reserved(make(text))) for text in (b"x", b"y")] + [frame(transport(9, 9))]
    status, report, _ = folder.audit(a=pcap(frames))
    assert (status, report["reused"], report["reserved"]) == (1, count, 2 * count)
    result = folder.audit("--strict", a=pcap(frames))
    expect_clean(result, 1)
    assert (result[1]["files"][0]["other"], result[1]["reserved"]) == (2, 0)
    assert f"{2 * count + 1} messages judged, {2 * count} with reserved bytes, {count} reuse" in \
        run(folder.path / "a").stdout.decode()


ENCAPSULATED = [
    *[ethernet(ipv4(bytes(40), protocol=protocol)) for protocol in (4, 41, 47, 50, 97, 115, 137)],
    ethernet(ipv6(bytes(40), protocol=47)),
    ethernet(ipv4(transport(1, 1), protocol=47, fragment=0x2000)),
    ethernet(ipv6(bytes(40), protocol=41, extensions=[(44, b"\0\0\1\0\0\0\1")])),
    *[ethernet(bytes(40), ethertype=number) for number in (0x6558, 0x8847, 0x8848, 0x88e5, 0x88e7)],
    ethernet(pppoe(b"\x45").replace(b"\0\x21", b"\0\xfd"), ethertype=0x8864),
    *[ethernet(ipv4(udp(b"\x08" + bytes(40), ports=(9, port)))) for port in
      (1701, 2152, 3544, 4500, 4754, 4789, 6081, 6635, 8472)],
]


@pytest.mark.parametrize("packet", ENCAPSULATED, ids=shown)
def test_encapsulated(folder, packet):
    """Encapsulated packets are counted separately, and the verdict says so."""
    result = folder.audit(a=pcap([packet, frame(transport(1, 1))]))
    expect_clean(result, 1)
    assert (result[1]["files"][0]["encapsulated"], result[1]["encapsulated"]) == (1, 1)
    assert result[1]["files"][0]["other"] == 0
    lines = run(folder.path / "a").stdout.decode().splitlines()
    assert lines[0].endswith("2 packets, 1 message, 0 other packets, 1 encapsulated")
    assert lines[-1] == \
        "clean: 1 message judged, 0 reuses, 1 packet encapsulated and not looked into"


def test_tunnel_on_the_port_of_an_encapsulation(folder):
    frames = [frame(transport(1, 1, text), ports=(9, 4789)) for text in (TEXT, OTHER_TEXT)]
    expect_reuse(folder.audit(a=pcap(frames)), ("transport", ("a", 1), ("a", 2)))


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
    "ppp": (captures.PPP, captures.ppp),
    "ppp, bare": (captures.PPP, lambda packet: captures.ppp(packet, b"")),
    "ppp, short": (captures.PPP, lambda packet:
                   captures.ppp(packet, protocol=b"\x57" if packet[0] >> 4 == 6 else b"\x21")),
    "ppp, serial": (captures.PPP_SERIAL, captures.ppp),
    "pppoe": (captures.ETHERNET, lambda packet: ethernet(pppoe(packet), ethertype=0x8864)),
    "pppoe, vlan": (captures.ETHERNET,
                    lambda packet: ethernet(pppoe(packet), [0x8100], 0x8864) + bytes(6)),
    "pppoe, no ethernet": (captures.PPPOE, pppoe),
    "hdlc": (captures.HDLC, lambda packet: b"\x0f\0" +
             struct.pack(">H", 0x86dd if packet[0] >> 4 == 6 else 0x0800) + packet),
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
                        f"{folder.path}/a: cannot judge packet 1: it is of a link type that is not "
                        "supported, 105 (IEEE802_11)")
    expect_inconclusive(folder.audit(a=pcap([frame(transport(1, 1))] * 2, link=14), b=fine),
                        "cannot judge 2 packets, the first is packet 1: of a link type that is not "
                        "supported, 14")


@pytest.mark.parametrize("other", [
    ethernet(pppoe(ipv4(udp(transport(1, 1))), code=0x19), ethertype=0x8864),
    ethernet(pppoe(b"\x12\x34"), ethertype=0x8863),
    ethernet(pppoe(ipv4(udp(transport(1, 1)))).replace(b"\0\x21", b"\xc0\x21"), ethertype=0x8864),
], ids=shown)
def test_pppoe_without_data(folder, other):
    result = folder.audit(a=pcap([other, frame(transport(1, 1))]))
    expect_clean(result, 1)
    assert result[1]["files"][0]["other"] == 1


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
    """Options, extension headers and trailing bytes do not change the message."""
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


def test_interfaces_of_one_kind(folder):
    result = folder.audit(a=section() + interface() + interface() + b"".join(
        enhanced(frame(transport(1, 1, text)), of=of)
        for of, text in enumerate((TEXT, OTHER_TEXT))))
    expect_reuse(result, ("transport", ("a", 1), ("a", 2)))


@pytest.mark.parametrize("order", "<>")
def test_interfaces_of_several_kinds(folder, order):
    """Several link types and snapshot lengths, which libpcap refuses; also between packets."""
    packets = [ipv4(udp(transport(1, 1, text))) for text in (TEXT, OTHER_TEXT, b"c" * 48)]
    kinds = [interface(captures.ETHERNET, order, 0), interface(captures.RAW, order, 65535),
             interface(captures.SLL, order, resolution=9)]
    blocks = [enhanced(ethernet(packets[0]), order=order),
              enhanced(packets[1], order=order, of=1),
              enhanced(LINKS["sll"][1](packets[2]), order=order, of=2)]
    expected = [("transport", ("a", 1), ("a", n)) for n in (2, 3)]
    start = section(order)
    expect_reuse(folder.audit(a=start + b"".join(kinds + blocks)), *expected)
    expect_reuse(folder.audit(a=start + b"".join(block for pair in zip(kinds, blocks)
                                                 for block in pair)), *expected)
    # A new section begins, perhaps in the other byte order.
    other = "<" if order == ">" else ">"
    again = pcapng([packets[2]], captures.RAW, other)
    expect_reuse(folder.audit(a=start + b"".join(kinds[:2] + blocks[:2]) + again), *expected)


def test_interface_of_a_kind_that_is_unknown(folder):
    frames = section() + interface(105) + interface() + \
        enhanced(bytes(30)) + enhanced(frame(transport(1, 1)), of=1)
    expect_inconclusive(folder.audit(a=frames), "cannot judge packet 1", "105 (IEEE802_11)")


@pytest.mark.parametrize("resolution, units", [(None, 10**6), (0, 1), (3, 1000), (9, 10**9),
                                               (0x80, 1), (0x8a, 1024)])
def test_clock_of_an_interface(folder, resolution, units):
    """Its time decides whether the session before the handshake has ended."""
    for second in (240, 241):
        frames = [At(0, data("a")), At(second, choice(1)), At(second, data("b"))]
        status, _, _ = folder.audit(a=section() + interface(resolution=resolution) + b"".join(
            enhanced(one, units=units) for one in frames))
        assert status == (3 if second == 240 else 0)


@pytest.mark.parametrize("damaged, why", [
    (section()[:8] + b"\1\2\3\4" + section()[12:], "byte order"),
    (section().replace(b"\1\0\0\0", b"\2\0\0\0", 1), "version"),
    (section() + enhanced(b"x"), "not described"),
    (section() + interface() + enhanced(b"x", of=1), "not described"),
    (section() + captures.simple_block(b"x"), "not described"),
    (section() + interface(resolution=20), "clock"),
    (section() + interface(resolution=0xc0), "clock"),
    (section() + captures.block(1, bytes(4)), "too short"),
    (section() + interface() + captures.block(6, bytes(16)), "too short"),
    (section() + interface() + captures.block(3, b""), "too short"),
    (section() + interface() + captures.block(3, b"\5\0\0\0"), "longer than its block"),
    (section() + interface() + captures.block(6, bytes(12) + b"\1\0\0\0" * 2),
     "longer than its block"),
    (section() + struct.pack("<III", 9, 8, 8), "impossible length"),
    (section() + struct.pack("<IIII", 9, 14, 0, 14), "impossible length"),
    (section() + struct.pack("<III", 9, 2**31, 8), "impossible length"),
    (section() + struct.pack("<III", 9, 12, 16), "two different lengths"),
    (section() + struct.pack("<III", 9, 16, 16), "truncated"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_bad_pcapng(folder, damaged, why):
    good = pcapng([frame(transport(1, 1))])
    expect_inconclusive(folder.audit(a=damaged, b=good), f"{folder.path}/a: ", why)
    expect_inconclusive(folder.audit(a=good + damaged), f"{folder.path}/a: ", why)


def test_datagram_that_is_yet_to_be_segmented(folder):
    """Sending hosts capture many messages as one datagram; each is judged on its own."""
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


# Packets that can't be judged

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
    """They prevent a clean verdict, but a reuse in other packets is still a reuse."""
    fine = [frame(transport(2, 1, TEXT)), frame(transport(2, 2, TEXT))]
    result = folder.audit(a=pcap(fine + [packet, packet]))
    expect_inconclusive(result, f"{folder.path}/a: cannot judge 2 packets, the first is packet 3: "
                        f"{why}")
    assert result[1]["files"][0]["unjudged"] == 2

    status, report, errors = folder.audit(a=pcap(fine + [packet, frame(transport(2, 1))]))
    assert (status, report["verdict"], report["reused"]) == (1, "reuse", 1)
    assert len(errors) == 1
    assert errors[0].startswith(f"fwg-audit: {folder.path}/a: cannot judge packet 3: it is {why}")


def test_snapshot_length(folder):
    """A message that is cut short is an error. Other traffic is not, if enough is left to see that.
    """
    whole = ethernet(ipv6(udp(transport(1, 1, TEXT)), extensions=[(60, bytes(7))]), [0x8100])
    fine = frame(transport(2, 1))
    for have in range(len(whole)):
        expect_inconclusive(folder.audit(a=pcap([fine, (whole[:have], len(whole))])), "cut short")
    expect_clean(folder.audit(a=pcap([fine, (whole, len(whole))])), 2)
    # Missing padding does not matter.
    expect_clean(folder.audit(a=pcap([fine, (whole, len(whole) + 9)])), 2)

    tcp = ethernet(ipv4(bytes(100), protocol=6))
    expect_clean(folder.audit(a=pcap([fine, (tcp[:34], len(tcp))])), 1)
    expect_inconclusive(folder.audit(a=pcap([fine, (tcp[:33], len(tcp))])), "cut short")
    dns = frame(b"\x12\x34\1\0" + bytes(60))
    expect_clean(folder.audit(a=pcap([fine, (dns[:46], len(dns))])), 1)
    expect_inconclusive(folder.audit(a=pcap([fine, (dns[:45], len(dns))])), "cut short")
    # Its length does not fit its type: no message, whatever the rest is.
    odd = frame(initiation(1, EPHEMERAL) + b"\0")
    expect_clean(folder.audit(a=pcap([fine, (odd[:46], len(odd))])), 1)


# Files that are no captures, or incomplete

@pytest.mark.parametrize("content, why", [
    (b"", "empty file"),
    (b"hello, world\n" * 20, "unknown file format"),
    (pcap([])[:20], "truncated"),
    (pcapng([])[:20], "truncated"),
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


@pytest.mark.parametrize("path, why", [
    ("/dev/zero", "a device, not a capture"), ("/", "Is a directory"),
])
def test_what_is_never_a_capture(path, why):
    done = run(path, timeout=10)
    assert done.returncode == 2
    assert done.stderr.decode().startswith(f"fwg-audit: {path}: {why}\n")


REUSED = pcap([frame(transport(1, 1, TEXT)), frame(transport(1, 1, OTHER_TEXT))])


def piped(content, *arguments, environment=None, **options):
    """The result with this content on standard input."""
    return subprocess.run([AUDIT, "--json", *arguments], input=content, capture_output=True,
                          timeout=60, check=False, env=environment and os.environ | environment,
                          **options)


def expect_reuse_in(done, name):
    assert (done.returncode, done.stderr) == (1, b"")
    assert json.loads(done.stdout)["reuses"][0]["b"] == {"file": name, "packet": 2}


@pytest.mark.parametrize("content", [REUSED, pcapng([frame(transport(1, 1, TEXT)),
                                                     frame(transport(1, 1, OTHER_TEXT))]),
                                     gzip.compress(REUSED)], ids=shown)
def test_pipes(tmp_path, content):
    """Pipes are read once, and their copies have no names."""
    scratch = {"TMPDIR": str(tmp_path)}
    for name in "-", "/dev/stdin":
        expect_reuse_in(piped(content, name, environment=scratch), name)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen([AUDIT, "--json", fifo], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=os.environ | scratch) as process:
        with fifo.open("wb") as file:
            file.write(content)
        output, errors = process.communicate(timeout=60)
    expect_reuse_in(subprocess.CompletedProcess(None, process.returncode, output, errors),
                    str(fifo))
    assert list(tmp_path.iterdir()) == [fifo]


def test_regular_file_on_standard_input(folder):
    path = folder.write_one("a", REUSED)
    with path.open("rb") as file:
        file.seek(100)
        done = subprocess.run([AUDIT, "--json", "-"], stdin=file, capture_output=True, timeout=60,
                              check=False)
        expect_reuse_in(done, "-")
    with path.open("rb") as file:
        done = subprocess.run([AUDIT, path, "-"], stdin=file, capture_output=True, timeout=60,
                              check=False)
    assert (done.returncode, done.stderr.decode()) == (
        1, f"fwg-audit: -: the same file as {path}\n")
    assert b"fwg-audit: -: the same file as -\n" in piped(REUSED, "-", "-").stderr


@pytest.mark.parametrize("content, why", [
    (b"", "empty file"), (b"hello, world\n" * 20, "neither pcap nor pcapng"),
    (gzip.compress(gzip.compress(REUSED)), "neither pcap nor pcapng"),
    (gzip.compress(bytes(1 << 20)), "neither pcap nor pcapng"),
    (gzip.compress(b"hello"), "neither pcap nor pcapng"),
    (gzip.compress(b""), "empty file"),
    (b"\x1f\x8b" + bytes(30), "gzip cannot decompress any of it"),
], ids=shown)
def test_pipe_without_a_capture(content, why):
    done = piped(content, "-")
    assert done.returncode == 2
    assert done.stderr.decode().splitlines()[0] == f"fwg-audit: -: {why}"


def test_endless_pipe(tmp_path):
    """Input that is no capture is not copied."""
    with open("/dev/zero", "rb") as zero, \
            subprocess.Popen(["cat"], stdin=zero, stdout=subprocess.PIPE) as cat:
        done = subprocess.run([AUDIT, "-"], stdin=cat.stdout, capture_output=True, timeout=60,
                              check=False, env=os.environ | {"TMPDIR": str(tmp_path)})
        cat.stdout.close()
    assert done.returncode == 2 and b"neither pcap nor pcapng" in done.stderr


def test_no_place_for_a_copy():
    done = piped(REUSED, "-", environment={"TMPDIR": "/nowhere"})
    assert done.returncode == 2
    assert b"-: cannot make a copy of it in /nowhere: No such file or directory\n" in done.stderr
    full = piped(REUSED + bytes(200000), "-", preexec_fn=lambda: (
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN),
        resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))))
    assert full.returncode == 1 and b"-: cannot make a copy of it: File too large\n" in full.stderr


def test_compressed(folder):
    """With every supported program. The readable part of a broken file is judged."""
    for name, compress in ("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress):
        path = folder.write_one(f"a.{name}", compress(REUSED))
        expect_reuse_in(run("--json", path), str(path))
    frames = [frame(transport(1, n % 50, bytes([n]) * 16)) for n in range(100)]
    path = folder.write_one("b.gz", gzip.compress(pcap(frames))[:-9])
    done = run("--json", path)
    assert done.returncode == 1 and json.loads(done.stdout)["reused"] > 0
    assert done.stderr.decode().splitlines()[0] == \
        f"fwg-audit: {path}: gzip cannot decompress all of it"


@pytest.mark.parametrize("program, magic", [
    ("gzip", b"\x1f\x8b"), ("zstd", b"\x28\xb5\x2f\xfd"), ("xz", b"\xfd7zXZ\0"), ("bzip2", b"BZh"),
    ("lz4", b"\x04\x22\x4d\x18")])
def test_program_that_is_missing(folder, program, magic):
    path = folder.write_one("a", magic + bytes(99))
    done = subprocess.run([AUDIT, path], capture_output=True, timeout=60, check=False,
                          env={"PATH": "/nowhere"})
    assert done.returncode == 2
    assert done.stderr.decode().splitlines()[0] == \
        f"fwg-audit: {path}: compressed, and {program} cannot be run: No such file or directory"


def test_compressed_name_is_not_a_command(folder):
    path = folder.write_one("-c; touch pwned;.gz", gzip.compress(REUSED))
    assert subprocess.run([AUDIT, path], capture_output=True, timeout=60, check=False,
                          cwd=folder.path).returncode == 1
    assert [one.name for one in folder.path.iterdir()] == [path.name]


# Filters

def test_filter(folder):
    """Only packets that match are judged, whatever the others are. Packets keep their numbers."""
    fragment = ethernet(ipv4(transport(1, 1), fragment=1))
    game = [frame(transport(1, 1, text), ports=(9, 27015)) for text in (TEXT, OTHER_TEXT)]
    paths = folder.write(a=pcap([fragment, *game, frame(transport(1, 1, TEXT))]),
                         b=pcap([*game, frame(transport(1, 2, TEXT))]))
    assert run(*paths).returncode == 1
    for option in ["-f", "udp port 51820"], ["--filter=udp port 51820"]:
        result = run_json(*option, *paths)
        expect_clean(result, 2)
        assert [file["filtered"] for file in result[1]["files"]] == [3, 2]
        assert [file["packets"] for file in result[1]["files"]] == [4, 3]
    result = run_json("-f", "udp port 27015", *paths)
    expect_reuse(result, ("transport", ("a", 2), ("a", 3)))
    assert b"a: 4 packets, 2 messages, 0 other packets, 2 filtered out\n" in \
        run("-f", "udp port 27015", *paths).stdout
    expect_inconclusive(run_json("-f", "udp port 1", *paths), "nothing to judge")


def test_filter_for_several_link_types(folder):
    packet = ipv4(udp(transport(1, 1, TEXT), ports=(7, 8)))
    kinds = section() + interface() + interface(captures.RAW) + interface(105)
    blocks = b"".join(enhanced(one, of=of) for of, one in enumerate([ethernet(packet), packet]))
    expect_clean(folder.audit("-f", "port 8", a=kinds + blocks), 2)
    expect_inconclusive(folder.audit("-f", "port 9", a=kinds + blocks), "nothing to judge")
    expect_inconclusive(folder.audit("-f", "port 8", a=kinds + blocks + enhanced(b"x", of=2)),
                        "cannot judge packet 3", "105")


@pytest.mark.parametrize("expression, link, why", [
    ("udp prot 1", "ethernet", "syntax error"), ("ether host 1", "ethernet", "illegal"),
    ("vlan and udp", "raw", "no VLAN support"), ("port x\ny", "ethernet", ""),
])
def test_bad_filter(folder, expression, link, why):
    """One line, and no report."""
    path = folder.write_one("a", pcap([LINKS[link][1](ipv4(udp(transport(1, 1))))], LINKS[link][0]))
    done = run("-f", expression, path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(b"fwg-audit: bad filter for ") and why in done.stderr.decode()


# Files that cannot be read

def test_missing_file(folder):
    good = folder.write_one("good", pcap([frame(transport(1, 1))]))
    done = run(good, folder.path / "missing")
    assert done.returncode == 2
    assert done.stderr.decode() == f"fwg-audit: {folder.path}/missing: No such file or directory\n"


def test_unreadable_file(folder):
    """Root reads every file, unless it has no capabilities."""
    path = folder.write_one("a", pcap([frame(transport(1, 1))]))
    path.chmod(0)
    command = [AUDIT, path]
    if os.geteuid() == 0:
        command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *command]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.decode().startswith(f"fwg-audit: {path}: Permission denied\n")


def test_same_file_twice(folder):
    """It is refused, because it would look like two captures that agree."""
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
        """Could it be stopped in this reading of the file, counted from 1?"""
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
        """Lets it finish; returns its status and its lines on stderr."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors.decode().splitlines()


@pytest.mark.parametrize("name, reading, passes", [("b", 1, ["--memory", "1"]), ("a", 2, [])])
def test_file_that_changes(folder, name, reading, passes):
    """A file changes between two readings, or in the middle of the last."""
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
    """With too small a table, the files are read several times, with the same result."""
    frames = crowd(60000, 1)
    middle = len(frames) // 3
    paths = folder.write(a=pcap(frames[:middle]), b=pcapng(frames[middle:]))
    once, often = run("--json", *paths), run("--json", "--memory", "1", *paths)
    assert often.stdout == once.stdout
    assert (often.returncode, often.stderr) == (once.returncode, once.stderr) == (1, b"")
    report = json.loads(once.stdout)
    assert report["reused"] > 200 and report["doubtful"] > 50
    assert run("--memory", "1", *paths).stdout == run(*paths).stdout


def run_in(mebibytes, *arguments):
    """The exit status with that much address space."""
    return subprocess.run([AUDIT, *arguments], capture_output=True, timeout=60, check=False,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS,
                                                                [mebibytes << 20] * 2)).returncode


def test_memory_is_bounded(folder):
    """A table for all these messages takes 20 MiB, and the program itself fewer than 14."""
    path = folder.write_one("a", pcap([frame(transport(1, n)) for n in range(400000)]))
    assert run_in(20, "--memory", "256", path) == 2
    assert run_in(20, "--memory", "2", path) == 0


def test_one_nonce_very_often(folder):
    """A sender whose counter does not change: each ciphertext is a reuse, and takes no longer."""
    frames = [frame(transport(1, 0, struct.pack("<QQ", n, n))) for n in range(70000)]
    path = folder.write_one("a", pcap(frames))
    done = run("--json", path, timeout=20)
    report = json.loads(done.stdout)
    assert (done.returncode, report["reused"], len(report["reuses"])) == (1, 69999, 65536)
    assert places(report) == [("transport", ("a", 1), ("a", n)) for n in range(2, 65538)]
    text = run("--all", path, timeout=20).stdout
    assert text.count(b"\nreuse: transport ") == 65536
    assert text.endswith(b"\nand 4463 more reuses\nreuse: 70000 messages judged, 69999 reuses\n")

    done = run("--quiet", "--memory", "1", path)
    assert (done.returncode, done.stdout) == (1, b"reuse\n")
    assert b"too many ciphertexts under one nonce" in done.stderr


def test_more_sessions_than_are_listed(folder):
    frames = [frame(transport(n, 0)) for n in range(SESSIONS_LISTED + 10)]
    frames.append(frame(transport(SESSIONS_LISTED + 5, 0, TEXT)))
    status, report, _ = folder.audit(a=pcap(frames))
    assert (status, report["reused"]) == (1, 1)
    assert len(report["sessions"]) == SESSIONS_LISTED
    assert report["unlisted"] == 11


# Output and options

def test_text(folder):
    a, b = folder.write(a=pcap([frame(initiation(0x1a2b3c4d, EPHEMERAL)), frame(b"x"),
                                frame(transport(0x1a2b3c4d, 3, TEXT)),
                                frame(transport(0x1a2b3c4d, 9, TEXT))]),
                        b=pcap([frame(transport(0x1a2b3c4d, 9, OTHER_TEXT)),
                                frame(initiation(0x1a2b3c4e, EPHEMERAL, b"n" * 76)),
                                frame(transport(5, 1, TEXT))]))
    done = run(a, b)
    assert done.returncode == 1 and not done.stderr
    assert done.stdout.decode() == f"""\
{a}: 4 packets, 3 messages, 1 other packet
{b}: 3 packets, 3 messages, 0 other packets
session 0x1a2b3c4d: 3 transport messages, 3 distinct, counters 3 to 9, in 2 files
session 0x00000005: 1 transport message, 1 distinct, counters 1 to 1, in 1 file, no handshake
handshakes: 2 initiations, 0 responses, 0 cookie replies; 1 ephemeral key, 1 in more than one file
reuse: transport 0x1a2b3c4d counter 9: {a} packet 4, {b} packet 1
reuse: initiation ephemeral {base64.b64encode(EPHEMERAL).decode()}: {a} packet 1, {b} packet 2
reuse: 6 messages judged, 2 reuses
"""
    assert run(a).stdout.decode().endswith("\nclean: 3 messages judged, 0 reuses\n")


def test_text_of_doubt(folder):
    two = [choice(1), data("a"), choice(2), data("b")]
    path = folder.write_one("a", pcap([*two, data("c", 1)]))
    other = folder.write_one("b", pcap([data("d", 1)]))
    assert run(path).stdout.decode().splitlines()[1:] == [
        "session 0xabcdef01: 3 transport messages, 3 distinct, counters 0 to 1, in 1 file, "
        "one of several with this index",
        "handshakes: 0 initiations, 2 responses, 0 cookie replies; 2 ephemeral keys, "
        "0 in more than one file",
        "clean: 5 messages judged, 0 reuses, 1 receiver index that was chosen twice"]
    done = run(path, other)
    assert done.returncode == 3
    assert done.stdout.decode().splitlines()[-2:] == [
        f"doubtful: transport 0xabcdef01 counter 1: {path} packet 5, {other} packet 1",
        "doubtful: 6 messages judged, 0 reuses, 1 doubtful, "
        "1 receiver index that was chosen twice"]
    assert run("-q", path, other).stdout == b"doubtful\n"
    # A doubt has precedence over an error.
    assert run("-q", path, other, folder.path / "missing").returncode == 3


def test_long_lists(folder):
    """Long lists are cut short without --all."""
    frames = [frame(transport(n, 1, text)) for n in range(51) for text in (TEXT, OTHER_TEXT)]
    path = folder.write_one("a", pcap(frames))
    lines = run(path).stdout.decode().splitlines()
    assert sum(line.startswith("session ") for line in lines) == 50
    assert sum(line.startswith("reuse: transport") for line in lines) == 50
    assert lines[51] == "and 1 more session" and lines[-2] == "and 1 more reuse"
    for option in "-a", "--all":
        lines = run(option, path).stdout.decode().splitlines()
        assert len(lines) == 105 and "more" not in "".join(lines[:1] + lines[-1:])
    assert len(json.loads(run("--json", path).stdout)["sessions"]) == 51


def test_names_on_the_terminal(tmp_path):
    """Control characters and invalid bytes are not printed."""
    name = b"\x1b[31m\n\x7f\xc2\x85\xff e\xcc\x81.pcap"
    path = os.path.join(os.fsencode(tmp_path), name)
    Path(os.fsdecode(path)).write_bytes(REUSED[:-1])
    done = run(path)
    shown_name = f"{tmp_path}/\\x1b[31m\\x0a\\x7f\\xc2\\x85\\xff e\u0301.pcap"
    assert done.stdout.decode().startswith(f"{shown_name}: 1 packet, 1 message, 0 other packets\n")
    assert done.stderr.decode().startswith(f"fwg-audit: {shown_name}: ")
    assert run("-m", b"\x1b", path).stderr.endswith(b": \\x1b\n")


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
    for option in "--version", "-V", "-v":
        done = run(option)
        assert done.returncode == 0 and done.stdout.startswith(b"fwg-audit ")


def test_report_that_cannot_be_written(folder):
    path = folder.write_one("a", pcap([frame(transport(1, 1))]))
    with open("/dev/full", "wb") as full:
        done = subprocess.run([AUDIT, path], stdout=full, stderr=subprocess.PIPE, timeout=60,
                              check=False)
    assert done.returncode == 2 and b"cannot write the report" in done.stderr


# Against an oracle

LIFETIME, CHOICES = 240, 4


class Fact:
    """A message in a capture; @source and @target are addresses."""

    def __init__(self, kind, nonce, text, index, counter):
        self.kind, self.nonce, self.text, self.index, self.counter = \
            kind, nonce, text, index, counter
        self.place = self.second = self.source = self.target = self.order = None
        self.session, self.certain = None, False

    @property
    def chooses(self):
        return self.kind in ("initiation", "response")


class Oracle:
    """Judges by comparing every message with all earlier ones."""

    def __init__(self):
        self.facts = []

    def see(self, fact, place, second, source, target):
        fact.place, fact.second, fact.source, fact.target = place, second, source, target
        fact.order = len(self.facts)
        self.facts.append(fact)

    def files_of(self, *kinds):
        """The files in which each nonce of these kinds is."""
        files = collections.defaultdict(set)
        for fact in self.facts:
            if fact.kind in kinds:
                files[fact.kind, fact.nonce].add(fact.place[0])
        return files

    def nonces(self):
        """The messages of each nonce, without those whose text is that of an earlier one."""
        nonces = collections.defaultdict(list)
        for fact in self.facts:
            texts = nonces[fact.kind, fact.nonce]
            if fact.text not in [other.text for other in texts]:
                texts.append(fact)
        return nonces

    def judge(self):
        """The reuses, the doubts, and the indices that distinct sessions have chosen."""
        reuses, doubts, shared = [], [], set()
        for (kind, _), texts in self.nonces().items():
            if len(texts) > 1 and kind == "transport" and self.several(texts[0].index):
                self.study(texts[0].index)
                for fact in texts:
                    self.settle(fact)
                self.decide(texts, reuses, doubts, shared)
            else:
                reuses += [(texts[0], other) for other in texts[1:]]
        return [[(two.kind, one.place, two.place) for one, two in sorted(
            found, key=lambda pair: pair[1].order)] for found in (reuses, doubts)] + [len(shared)]

    def of(self, index):
        """The messages with an index, and those that choose it, by file."""
        files = collections.defaultdict(list)
        for fact in self.facts:
            if fact.index == index and fact.kind != "cookie":
                files[fact.place[0]].append(fact)
        return files

    def several(self, index):
        """Is an index chosen in two handshakes, or in use before it is chosen?"""
        facts = self.of(index).values()
        return len({fact.nonce for some in facts for fact in some if fact.chooses}) > 1 or any(
            not some[0].chooses and any(fact.chooses for fact in some) for some in facts)

    def study(self, index):
        """Finds the session of each message."""
        files = self.of(index)
        lives = len(files) > 1
        for file, facts in files.items():
            choices, unknown = [], None
            for fact in facts:
                if fact.chooses:
                    lives |= unknown is not None and abs(unknown - fact.second) <= LIFETIME
                    if all((c.nonce, c.source) != (fact.nonce, fact.source) for c in choices):
                        choices = [*choices, fact][-CHOICES:]
                    continue
                fact.session, fact.certain = self.attribute(fact, choices)
                if not fact.session:
                    fact.session = ("unknown", file)
                    unknown = fact.second
                    lives |= bool(choices)
        for facts in files.values():
            for fact in facts:
                if fact.session and fact.session[0] == "unknown":
                    fact.certain = not lives

    @staticmethod
    def attribute(fact, choices):
        choices = [c for c in choices if c.source != fact.source]
        young = [c for c in choices if abs(c.second - fact.second) <= LIFETIME]
        there = [c for c in young if c.source == fact.target]
        if there:
            return ("handshake", there[-1].nonce), True
        if not choices:
            return None, False
        newest = choices[-1]
        others = {c.nonce for c in choices[:-1] if c in young or (
            c.source == fact.target != newest.source)} - {newest.nonce}
        if others:
            return ("one of several", newest.nonce), False
        return ("handshake", newest.nonce), newest in young

    def settle(self, fact):
        """The session of a message, by all messages with the same text."""
        same = [other for other in self.facts if (other.kind, other.nonce, other.text) ==
                (fact.kind, fact.nonce, fact.text)]
        certain = [other for other in same if other.certain and other.session[0] == "handshake"]
        fact.session, fact.certain = same[0].session, same[0].certain
        if certain and same[0].session == ("unknown", certain[0].place[0]):
            fact.certain = False
        elif certain:
            fact.session = certain[0].session
            fact.certain = all(other.session == fact.session for other in certain)

    @staticmethod
    def decide(texts, reuses, doubts, shared):
        for n, fact in enumerate(texts):
            before = texts[:n]
            alike = [other for other in before if other.session == fact.session]
            if alike:
                reuses.append((alike[0], fact))
            elif not all(other.certain for other in texts[:n + 1]) and n:
                doubts.append((texts[0], fact))
            elif n:
                shared.add(fact.index)

    def expected_sessions(self):
        """The sessions with messages, in the order in which their indices appear."""
        nonces, sessions = self.nonces(), []
        for index in dict.fromkeys(fact.index for fact in self.facts if fact.kind != "cookie"):
            facts = [fact for some in self.of(index).values() for fact in some]
            messages = [fact for fact in facts if not fact.chooses]
            if messages:
                counters = [fact.counter for fact in messages]
                sessions.append({
                    "receiver": f"0x{index:08x}", "messages": len(messages),
                    "distinct": sum(len(nonces["transport", (index, counter)])
                                    for counter in set(counters)),
                    "first_counter": min(counters), "last_counter": max(counters),
                    "files": len({fact.place[0] for fact in messages}),
                    "handshake": len(facts) > len(messages), "several": self.several(index)})
        return sessions


def random_message(rand):
    """A message from a small space, so that messages recur, and its Fact."""
    index, counter = rand.choice([0, 1, 2**31, 2**32 - 1]), rand.choice([0, 1, 2, 2**40])
    random_key = bytes([rand.randrange(12)]) * 32
    letter = bytes([rand.randrange(3)])
    kind = rand.choice(["initiation", "response", "cookie"] + ["transport"] * 5)
    if kind == "transport":
        text = letter * rand.choice([16, 17, 32])
        return transport(index, counter, text), Fact(kind, (index, counter), text, index, counter)
    if kind == "initiation":
        message = initiation(index, random_key, letter * 76, rand.randbytes(16))
    elif kind == "response":
        message = response(index, 1, random_key, letter * 16, rand.randbytes(16))
    else:
        message = cookie(index, random_key[:24], letter * 32)
    return message, Fact(kind, random_key, letter, index, None)


def random_packet(rand, payload, hosts=(0, 1)):
    """A packet from one of three hosts to another; they have addresses of both families."""
    version = rand.choice([ipv4, ipv6])
    datagram = udp(payload, ports=[captures.PORTS[host & 1] for host in hosts])
    if version is ipv4:
        return ipv4(datagram, options=bytes(rand.choice([0, 4, 40])),
                    hosts=[bytes([10, 0, 0, host]) for host in hosts])
    return ipv6(datagram, extensions=rand.choice([(), [(60, bytes(7))], [(44, bytes(7))]]),
                hosts=[bytes(15) + bytes([host]) for host in hosts])


@pytest.mark.parametrize("round_", range(40))
def test_against_the_oracle(folder, round_):
    rand, oracle, files = chance.generator(f"oracle {round_}"), Oracle(), {}
    for name in "abcd"[:rand.randint(1, 4)]:
        link, wrap = rand.choice(list(LINKS.values()))
        write, options = rand.choice([(pcap, o) for o in FORMATS.values()] +
                                     [(pcapng, o) for o in FORMATS_NG.values()])
        frames, second, step = [], 0, rand.choice([0, 1, 30, 100, 300])
        for _ in range(rand.randint(1, 80)):
            second += 0 if "simple" in options else rand.randint(0, step)
            hosts = rand.sample(range(3), 2)
            if rand.random() < 0.2:
                packet = random_packet(rand, rand.randbytes(rand.randrange(200)) + b"!", hosts)
            else:
                message, fact = random_message(rand)
                packet = random_packet(rand, message, hosts)
                oracle.see(fact, (name, len(frames) + 1), second,
                           *((packet[0] >> 4, host) for host in hosts))
            frames.append(At(second, wrap(packet)))
        files[name] = write(frames, link, **options)

    status, report, errors = folder.audit("--strict", **files)
    reuses, doubts, shared = oracle.judge()
    if oracle.facts:
        assert not errors
        assert status == (1 if reuses else 3 if doubts else 0)
    assert places(report) == reuses
    assert places({"reuses": report["doubts"]}) == doubts
    assert (report["reused"], report["doubtful"], report["chosen_twice"]) == \
        (len(reuses), len(doubts), shared)
    assert report["judged"] == len(oracle.facts)
    assert report["sessions"] == oracle.expected_sessions()
    ephemerals = oracle.files_of("initiation", "response")
    assert report["handshakes"]["ephemerals"] == len(ephemerals)
    assert report["handshakes"]["shared"] == sum(len(f) > 1 for f in ephemerals.values())


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
    """10,000 captures, 500 in a process: no crash, a valid status, a complete report."""
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
