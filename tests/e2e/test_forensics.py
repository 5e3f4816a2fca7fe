# SPDX-License-Identifier: GPL-2.0
"""No secret from before a fork is in the memory of a clone: some scenes of
tests/lab/forensics. Also tests that the search finds secrets, and that it can fail."""

import hashlib
import hmac
import os

import chance
import pytest
from forklab import forensics, peer, primitives
from forklab.session import progress, session

SCENES = ("pending", "traffic", "responding")


@pytest.mark.one_kernel
def test_nothing_of_before_the_fork_is_in_a_clone(kernel):
    with session(400) as folder:
        cases = [forensics.Case(kernel, system, folder, progress())
                 for system in ("forkguard", "wireguard")]
        ours, control = (case.play(SCENES) for case in cases)
    assert forensics.faults(ours, control) == []


def look(state, *kinds):
    hits = tuple(forensics.Hit(False, 0, peer.Secret(kind, bytes(32), 8), 0, 8)
                 for kind in kinds)
    return forensics.Look("event", state, hits, 0, 0, 0)


HELD = (peer.SESSION, peer.CHAINING, peer.EPHEMERAL, peer.COOKIE)
CONTROL = [look(forensics.BEFORE, *HELD), look(forensics.CLONE, peer.SESSION)]


@pytest.mark.parametrize("ours, control, fault", (
    ([look(forensics.BEFORE, *HELD)], CONTROL, None),
    ([look(forensics.BEFORE, *HELD), look(forensics.CLONE, peer.HKDF)],
     CONTROL, "inside of HKDF"),
    ([look(forensics.BEFORE, *HELD), look(forensics.AFTER, peer.STREAM)],
     CONTROL, "key stream"),
    ([look(forensics.BEFORE, *HELD[1:])], CONTROL, "inconclusive"),
    ([look(forensics.BEFORE, *HELD)], CONTROL[:1], "inconclusive"),
))
def test_verdict(ours, control, fault):
    found = forensics.faults(ours, control)
    assert len(found) == bool(fault)
    assert not fault or fault in found[0]


def test_search_finds_pieces_at_any_address(tmp_path):
    rand = chance.generator("search")
    secrets = peer.Secrets()
    secrets.note(peer.SESSION, rand.randbytes(32))
    secrets.note_message(rand.randbytes(32), 7, rand.randbytes(200))
    memory = bytearray(rand.randbytes(1 << 20))
    planted = []
    for number, secret in enumerate(secrets):
        length = rand.randint(secret.least, len(secret.bytes))
        start = rand.randint(0, len(secret.bytes) - length)
        address = 1000 * number + rand.randint(1, 99)
        memory[address:address + length] = \
            secret.bytes[start:start + length]
        # Make sure that the byte before is not, by chance, that of the secret.
        memory[address - 1] = ~secret.bytes[start - 1] & 0xff
        planted.append((address, secret.kind))
    (tmp_path / "memory").write_bytes(memory)
    (tmp_path / "registers").write_bytes(secrets[0].bytes[5:13])
    hits, _ = forensics.scan(tmp_path / "memory", tmp_path / "registers",
                             secrets)
    assert [(hit.address, hit.secret.kind) for hit in hits[:-1]] == planted
    assert hits[-1].in_register and hits[-1].start == 5

    # 7 bytes in a row may occur by chance, and so may padding.
    short = bytearray(rand.randbytes(1 << 20))
    short[100:107] = secrets[0].bytes[:7]
    (tmp_path / "memory").write_bytes(short)
    (tmp_path / "registers").write_bytes(bytes(8))
    padding = peer.Secret(peer.HKDF, secrets[0].bytes + bytes(32), 8)
    assert forensics.scan(tmp_path / "memory", tmp_path / "registers",
                          [*secrets, padding])[0] == ()


def test_primitives():
    """Test vectors of RFC 8439, A.1 and 2.5.2; RFC 7748, 5.2;
    draft-irtf-cfrg-xchacha-03, A.3.1. Wrong values would not be found in memory."""
    stream, work = primitives.chacha20_work(bytes(32), 0x02 << 56, 0)
    assert stream.hex().startswith("c2c64d378cd536374ae204b9ef933fcd")
    assert (int.from_bytes(stream[:4], "little") -
            int.from_bytes(work[:4], "little")) % 2 ** 32 == 0x61707865
    key = "85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b"
    tag = primitives.poly1305(bytes.fromhex(key),
                              b"Cryptographic Forum Research Group")
    assert tag == 0xa927010caf8b2bc2c6365130c11d06a8
    scalar, point, result = (bytes.fromhex(text) for text in (
        "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
        "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
        "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"))
    assert primitives.x25519(scalar, point) == result
    sunscreen = (b"Ladies and Gentlemen of the class of '99: If I could offer "
                 b"you only one tip for the future, sunscreen would be it.")
    arguments = bytes(range(0x80, 0xa0)), bytes(range(0x40, 0x58))
    ad = bytes.fromhex("50515253c0c1c2c3c4c5c6c7")
    sealed = primitives.xseal(*arguments, sunscreen, ad)
    assert sealed.hex().startswith("bd6d179d3e83d43b9576579493c0e939")
    assert sealed.hex().endswith("c0875924c1c7987947deafd8780acf49")
    assert primitives.xunseal(*arguments, sealed, ad) == sunscreen


@pytest.mark.parametrize("size", (0, 1, 32, 33))
def test_inside_of_hmac(size):
    key, data = os.urandom(32), os.urandom(size)
    out, between = primitives.trace_hmac(key, data)
    assert out == hmac.digest(key, data, hashlib.blake2s)
    inner = hashlib.blake2s(bytes(b ^ 0x36 for b in key) + b"\x36" * 32 + data)
    assert inner.digest() in between
