# SPDX-License-Identifier: GPL-2.0
"""The picture of a fork: the data taken from captures, and the drawing."""

import json
import os
import re
import struct
import xml.etree.ElementTree
from types import SimpleNamespace

from forklab import audit, kit, pcap, picture, timeline

OLD, PEER = 0x0D, 7  # receiver indices
NS = "{http://www.w3.org/2000/svg}"


def data(number, ms, counter, index=OLD, sent=True):
    payload = struct.pack("<IIQ", pcap.TRANSPORT, index, counter) + bytes(80)
    return pcap.Message(number, int(1000 * ms), sent, pcap.TRANSPORT, payload)


def handshake(number, ms, length):
    begin = struct.pack("<II", pcap.INITIATION, PEER) + bytes(140)
    end = struct.pack("<III", pcap.RESPONSE, 9, PEER) + bytes(80)
    return [
        pcap.Message(number, int(1000 * ms), True, pcap.INITIATION, begin),
        pcap.Message(number + 1, int(1000 * (ms + length)), False, pcap.RESPONSE, end),
    ]


def clone(name, messages):
    """The timeline of a machine that was resumed at 1000 ms of its capture's clock."""
    reader = SimpleNamespace(path=name, messages=lambda: messages)
    past = [data(1, 900, 40), data(2, 990, 49), data(3, 1000, 50)]
    made = timeline.Timeline(name, reader, past)
    made.update()
    return made


def answer(number, ms, index):
    return [data(number, ms, 0, index), data(number + 1, ms + 1, 0, 99, sent=False)]


def round_(system, clones, pairs):
    """pairs: the packets, one of each clone, that fwg-audit found to share a nonce."""
    reuses = tuple(
        {
            "kind": "transport",
            "a": {"file": "one", "packet": a},
            "b": {"file": "two", "packet": b},
        }
        for a, b in pairs
    )
    return SimpleNamespace(
        system=system,
        kernel="6.1",
        clones=clones,
        recovered=True,
        verdict=audit.Verdict(9, reuses, len(reuses)),
    )


def forkguards():
    """A round of forkguard, in which nothing is sent under the old key."""
    clones = [
        clone(name, handshake(1, 1100, 20) + answer(3, 1150, index))
        for name, index in (("one", 20), ("two", 21))
    ]
    return round_("forkguard", clones, ())


def controls(pairs):
    """A round of the control: both clones send 51 to 53; the first also sends 54."""
    one = [data(n, 1000 + 10 * n, 50 + n) for n in (1, 2, 3, 4)]
    two = [data(n, 1005 + 10 * n, 50 + n) for n in (1, 2, 3)]
    clones = [
        clone("one", one + handshake(5, 1200, 30) + answer(7, 1240, 22)),
        clone("two", two + handshake(5, 1210, 30) + answer(7, 1250, 23)),
    ]
    return round_("wireguard", clones, pairs)


def described():
    rounds = [controls([]), controls([(2, 2), (3, 3)]), controls([(1, 1), (2, 2), (3, 3)])]
    return picture.describe([[forkguards()] * 3, rounds])


def test_described():
    """Two of three forks of the control reused nonces; of these, the one with fewer is drawn."""
    fork = described()
    assert (fork["fork"], fork["forks"], fork["kernel"]) == (2, 3, "6.1")
    assert fork["end"] == 250 + picture.AFTER
    ours, control = fork["systems"]
    assert ours["past"] == [[-10, 49], [0, 50]] and ours["next"] == 51
    assert [c["old"] for c in ours["clones"]] == [[], []]
    assert [c["new"] for c in ours["clones"]] == [[[150, 0]], [[150, 0]]]
    assert [c["handshake"] for c in ours["clones"]] == [[100, 120]] * 2
    one, two = control["clones"]
    assert one["old"] == [[10, 51, False], [20, 52, True], [30, 53, True], [40, 54, False]]
    assert two["old"] == [[15, 51, False], [25, 52, True], [35, 53, True]]
    assert two["handshake"] == [210, 240]
    assert [picture.reused(system) for system in (ours, control)] == [0, 2]


def test_nothing_to_show():
    assert picture.describe([[forkguards()], [controls([])]]) is None
    silent = controls([(1, 1)])
    silent.recovered = False
    assert picture.describe([[forkguards()], [silent]]) is None


def steps(svg, kind):
    """The paths of a kind, one string of steps each; the first is in the legend."""
    tree = xml.etree.ElementTree.fromstring(svg)
    return [p.get("d") for p in tree.iter(f"{NS}path") if p.get("class") == kind][1:]


def test_drawn():
    svg = picture.draw(described())
    for kind, counts in (
        ("dots past", [2, 2]),
        ("dots one", [0, 1, 4, 1]),  # forkguard: old, new; control: old, new
        ("dots two", [0, 1, 3, 1]),
    ):
        assert [path.count("h.01") for path in steps(svg, kind)] == counts
    ours, control = steps(svg, "reuse")
    assert ours == ""
    assert control.count("l5 5m0-5l-5 5") == 4  # a cross on each packet
    links = re.findall(r"M([\d.]+) ([\d.]+)H([\d.]+)", steps(svg, "link")[1])
    assert len(links) == 2  # and a line for each nonce
    assert all(float(start) < float(end) for start, _, end in links)
    text = "".join(xml.etree.ElementTree.fromstring(svg).itertext())
    assert "0 nonces reused" in text and "2 nonces reused" in text
    assert "0 packets under the old key" in text and "7 packets under the old key" in text
    assert "forkguard 0 and stock WireGuard 2" in text


def test_picture_of_the_readme():
    """It is the picture that is drawn from the data beside it."""
    path = os.path.join(kit.REPO, "docs", "fork")
    with open(path + ".json") as file:
        fork = json.load(file)
    with open(path + ".svg") as file:
        assert file.read() == picture.draw(fork)
