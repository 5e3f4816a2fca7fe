# SPDX-License-Identifier: GPL-2.0
"""fwg with a simulated kernel, where wg can't be the oracle: JSON output and its schema in the
manual, fork detection, drop counters; and that fwg wipes secrets before it frees memory."""

import base64
import json
import random
import re
import struct
import subprocess
from pathlib import Path

import netlink as nl
import pytest
import test_as_wg
from test_as_wg import INTERFACE, NOW, P_HANDSHAKE, PUBLIC_KEY, World, device_messages
from uml import TOP

fixture_answer = test_as_wg.fixture_answer

# include/uapi/linux/forkguard.h
GENERATION, RESETS, RESET_CAUSE, RESET_TIME, DROPS = 64, 66, 67, 68, 71
G_SOURCE, G_CHECK, G_TAG, G_FORKS = 1, 2, 3, 4
HEADER = (TOP / "include/uapi/linux/forkguard.h").read_text()
REASONS = {name.lower(): int(number)
           for name, number in re.findall(r"^\tFORKGUARD_DROP_A_(\w+) = (\d+),$", HEADER, re.M)
           if name != "UNSPEC"}


def generation(check, source=1, forks=3, tag=b"\x01\x23\x45\x67\x89\xab\xcd\xef"):
    """The attribute."""
    return nl.attribute(GENERATION, [
        nl.attribute(G_SOURCE, ("=I", source)), nl.attribute(G_CHECK, ("=I", check)),
        nl.attribute(G_FORKS, ("=Q", forks)), *([nl.attribute(G_TAG, tag)] if tag else [])])


def framed(message):
    return struct.pack("=I", len(message)) + message


def put(world, *attributes, name=INTERFACE):
    """Sets the kernel's answer about an interface."""
    (world.folder / name).write_bytes(framed(nl.attribute(nl.IFNAME, name) + b"".join(attributes)))


@pytest.fixture(name="world")
def fixture_world(answer, tmp_path):
    return World(answer, tmp_path)


def show(world, *words):
    """The interface, from JSON."""
    status, out, complaints, _ = world.run("fwg", ["show", INTERFACE, *words, "--json"])
    assert (status, complaints) == (0, "")
    interface, = json.loads(out)
    return interface


# Fork detection.

@pytest.mark.parametrize("check, word, satisfied", [
    (0, "none", []), (1, "notifier", ["notifier"]), (2, "packet", ["notifier", "packet"]),
    # Unknown checks of a later kernel.
    (3, "unknown", []), (0xffffffff, "unknown", [])])
@pytest.mark.parametrize("required", ["notifier", "packet"])
def test_requirement(world, check, word, satisfied, required):
    (world.folder / "generation").write_bytes(framed(generation(check)))
    for form in [], ["--json"]:
        plain = world.run("fwg", ["generation", *form])
        assert plain[0] == 0 and not plain[2]
        good = required in satisfied
        for words in ["generation", *form, "--require", required], ["generation", "--require",
                                                                    required, *form]:
            status, out, complaints, _ = world.run("fwg", words)
            assert (status, out) == (0 if good else 2, plain[1])
            assert complaints == ("" if good else
                                  f"fwg: The fork check is `{word}', not `{required}'\n")


def test_requirement_that_cannot_be_checked(world):
    status, out, complaints, _ = world.run("fwg", ["generation", "--require", "notifier"])
    assert (status, out) == (1, "") and complaints.startswith("fwg: Unable to read the generation")


# JSON.

def test_times(world):
    """Times are numbers, or null if the event has not happened."""
    peers = [nl.attribute(0, [nl.attribute(nl.P_PUBLIC_KEY, bytes([number]) * 32),
                              nl.attribute(P_HANDSHAKE, ("=qq", sec, nsec))])
             for number, (sec, nsec) in enumerate([(0, 0), (NOW, 5), (NOW, 999999999), (1, 0)], 1)]
    put(world, nl.attribute(nl.PEERS, peers), nl.attribute(RESETS, ("=Q", 2)),
        nl.attribute(RESET_CAUSE, ("=I", 1)), nl.attribute(RESET_TIME, ("=qq", NOW, 7)))
    for words in [], ["dump"], ["latest-handshakes"]:
        heard = [peer["latest_handshake"] for peer in show(world, *words)["peers"]]
        assert heard == [None, NOW, NOW, 1]
    assert show(world)["last_reset"] == {"cause": "packet", "time": NOW}
    put(world)
    assert show(world)["last_reset"] is None


def test_drops(world):
    """Drop counters have the names in the header."""
    assert len(REASONS) > 20 and set(REASONS.values()) == set(range(1, len(REASONS) + 1))
    counts = {name: (number * 2 ** 56 + number) % 2 ** 64 for name, number in REASONS.items()}
    nest = [nl.attribute(REASONS[name], ("=Q", count)) for name, count in counts.items()]
    # Padding, and a reason of a later kernel.
    put(world, nl.attribute(DROPS, [nl.attribute(0, b""), *nest, nl.attribute(
        len(REASONS) + 1, ("=Q", 1))]))
    assert show(world)["drops"] == show(world, "dump")["drops"] == counts
    assert "drops" not in show(world, "peers")
    assert "drops" not in world.run("fwg", ["showconf", INTERFACE, "--json"])[1]
    assert "drop" not in world.run("fwg", ["show", INTERFACE])[1]
    put(world, nl.attribute(DROPS, []))
    assert show(world)["drops"] == dict.fromkeys(REASONS, 0)
    put(world)
    assert show(world)["drops"] is None
    put(world, nl.attribute(DROPS, [nl.attribute(1, ("=I", 1))]))
    assert world.run("fwg", ["show", INTERFACE])[0] == 1


def schema():
    """The schema in the manual: {section: {member: type}}."""
    manual = (TOP / "userspace/man/fwg.8").read_text()
    text = manual.split(".SH JSON OUTPUT\n")[1].split(".SH ")[0]
    sections = re.split(r"^\.SS (.*)\n", text, flags=re.M)[1:]
    return {name.lower(): dict(re.findall(r'^\.IR (\w+) " \((.*)\)"$', members, flags=re.M))
            for name, members in zip(sections[::2], sections[1::2])}


def check_value(types, value):
    """Checks that the value has one of the types."""
    for kind in types.split(" or "):
        if kind.startswith("array of ") and isinstance(value, list):
            for element in value:
                check_value(kind.removeprefix("array of "), element)
            return
        if kind == "null" and value is None or kind == "string" and isinstance(value, str) or (
                kind == "number" and isinstance(value, int)) or (
                kind == "time" and isinstance(value, (int, float)) and value > 0):
            return
        if kind in schema() and isinstance(value, dict):
            check_object(kind, value)
            return
    pytest.fail(f"{value!r} is not {types}")


def check_object(section, value, subset=False):
    """Checks that the object has the members that the manual lists, in this order."""
    members = schema()[section]
    assert [name for name in members if name in value] == list(value)
    assert subset or list(value) == list(members), section
    for name, content in value.items():
        check_value(members[name], content)


@pytest.mark.parametrize("seed", range(6))
def test_schema(world, seed):
    """fwg prints what the manual describes."""
    generator = random.Random(seed)
    (world.folder / INTERFACE).write_bytes(device_messages(generator, INTERFACE, seed))
    if seed % 2:
        put(world, nl.attribute(RESET_CAUSE, ("=I", 3)), nl.attribute(RESET_TIME, ("=qq", NOW, 0)),
            nl.attribute(DROPS, []), generation(2),
            nl.attribute(nl.PEERS, [nl.peer(bytes(32), "::/0")]))
    check_object("interface", show(world))
    check_object("interface", show(world, "dump"))
    for field in test_as_wg.FIELDS[:-1]:
        interface = show(world, field)
        for peer in interface.pop("peers", []):
            check_object("peer", peer, subset=True)
        check_object("interface", interface, subset=True)
    (world.folder / "generation").write_bytes(
        framed(generation(seed % 3, tag=bytes(8) if seed else b"")))
    check_object("generation", json.loads(world.run("fwg", ["generation", "--json"])[1]))
    conf, = json.loads(world.run("fwg", ["showconf", INTERFACE, "--json"])[1])
    for peer in conf.pop("peers"):
        check_object("peer", peer, subset=True)
    check_object("interface", conf, subset=True)


# Secrets.

@pytest.fixture(scope="module", name="freed")
def fixture_freed(tmp_path_factory):
    library = tmp_path_factory.mktemp("freed") / "freed.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, Path(__file__).parent / "freed.c"],
                   check=True, timeout=60)
    return library


@pytest.fixture(name="secretive")
def fixture_secretive(world, freed):
    """A world whose fwg exits with status 66 if it frees memory that contains one of the keys."""
    generator = random.Random(1)
    keys = [generator.randbytes(32) for _ in range(2)]
    world.keys = [base64.b64encode(key).decode() for key in keys]
    (world.folder / "secrets").write_bytes(
        b"".join(part for key in keys for part in (key[:16], key[16:], base64.b64encode(key)[:16])))
    world.environment["LD_PRELOAD"] += f":{freed}"
    world.environment |= {"SECRETS": str(world.folder / "secrets"), "WG_HIDE_KEYS": "never"}
    put(world, nl.attribute(nl.PRIVATE_KEY, keys[0]), nl.attribute(PUBLIC_KEY, bytes([9]) * 32),
        nl.attribute(nl.PEERS, [nl.peer(bytes([5]) * 32, "10.0.0.0/8", psk=keys[1])]))
    (world.folder / "private").write_text(world.keys[0] + "\n")
    (world.folder / "psk").write_text(world.keys[1] + "\n")
    return world


def test_the_library_finds_secrets(secretive):
    """The control: bash frees memory that contains the key."""
    script = "while read -r line; do :; done <private; line=; unset line"
    assert secretive.run("fwg", ["show"])[0] == 0
    done = subprocess.run(["bash", "-c", script], env=secretive.environment, cwd=secretive.folder,
                          check=False, timeout=60)
    assert done.returncode == 66


@pytest.mark.parametrize("before", [0, 100, 1000, 70000])
@pytest.mark.parametrize("after", [0, 200, 70000])
def test_no_secret_of_a_file_remains(secretive, before, after):
    """Also with long lines, and with invalid files."""
    private, psk = secretive.keys
    good = (f"[Interface]\nPrivateKey ={' ' * before}{private}{' ' * after}#\n[Peer]\n"
            f"PublicKey = {test_as_wg.A}\nPresharedKey ={' ' * before}{psk} #{'x' * after}\n")
    for text, status in (good, 0), (good + "x\n", 1), (good.replace("PrivateKey", "Key"), 1), (
            good.replace("PresharedKey =", "PresharedKey"), 1), (good.rstrip("\n"), 0):
        (secretive.folder / "conf").write_text(text)
        for command in "setconf", "addconf", "syncconf":
            done = secretive.run("fwg", [command, INTERFACE, "conf"])
            assert done[0] == status, done


def test_no_other_secret_remains(secretive):
    """Neither shown keys remain, nor those from key files and standard input."""
    peer = ["peer", test_as_wg.A, "preshared-key", "psk"]
    for words, status in (
            (["show"], 0), (["show", "--json"], 0), (["show", INTERFACE, "dump"], 0),
            (["show", INTERFACE, "private-key"], 0),
            (["show", "all", "preshared-keys", "--json"], 0),
            (["showconf", INTERFACE], 0), (["showconf", INTERFACE, "--json"], 0),
            (["set", INTERFACE, "private-key", "private", *peer], 0),
            (["set", INTERFACE, "private-key", "private", *peer, "endpoint", "x"], 1)):
        done = secretive.run("fwg", words)
        assert done[0] == status, (words, done)
    with (secretive.folder / "private").open("rb") as file:
        assert secretive.run("fwg", ["pubkey"], file)[0] == 0
