# SPDX-License-Identifier: GPL-2.0
"""WireGuard's cryptography in plain Python, with intermediate values, for which
memory is searched, too."""

import hashlib
import struct

P25519 = 2 ** 255 - 19
P1305 = 2 ** 130 - 5
MASK = 0xffffffff
BLAKE2S_IV = (0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
              0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19)
SIGMA = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
    (14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3),
    (11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4),
    (7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8),
    (9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13),
    (2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9),
    (12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11),
    (13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10),
    (6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5),
    (10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0))
LANES = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
         (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))


def clamp(scalar):
    return bytes((scalar[0] & 248,)) + scalar[1:31] + \
        bytes((scalar[31] & 127 | 64,))


def x25519(scalar, point=b"\x09" + bytes(31)):
    """RFC 7748."""
    k = int.from_bytes(clamp(scalar), "little")
    x1 = int.from_bytes(point, "little") & (1 << 255) - 1
    x2, z2, x3, z3, swapped = 1, 0, x1, 1, 0
    for bit in range(254, -1, -1):
        now = k >> bit & 1
        if now != swapped:
            x2, z2, x3, z3, swapped = x3, z3, x2, z2, now
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        da, cb, aa, bb = d * a % P25519, c * b % P25519, a * a, b * b
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % P25519, x1 * (da - cb) ** 2 % P25519
        x2, z2 = aa * bb % P25519, e * (aa + 121665 * e) % P25519
    if swapped:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P25519 - 2, P25519) % P25519).to_bytes(32, "little")


def _rounds(start):
    s = list(start)
    for _ in range(10):
        for i, j, k, m in LANES:
            a, b, c, d = s[i], s[j], s[k], s[m]
            for up, down in ((16, 12), (8, 7)):
                a = a + b & MASK
                d ^= a
                d = (d << up | d >> 32 - up) & MASK
                c = c + d & MASK
                b ^= c
                b = (b << down | b >> 32 - down) & MASK
            s[i], s[j], s[k], s[m] = a, b, c, d
    return s


def _start(key, rest):
    return struct.unpack("<16I", b"expand 32-byte k" + key + rest)


def chacha20_work(key, nonce, counter):
    """A block of key stream, with WireGuard's 64-bit nonce (RFC 8439), and the state
    before the last addition, from which the key can be computed."""
    start = _start(key, struct.pack("<IIQ", counter, 0, nonce))
    s = _rounds(start)
    return (struct.pack("<16I", *(a + b & MASK for a, b in zip(s, start))),
            struct.pack("<16I", *s))


def chacha20_block(key, nonce, counter):
    return chacha20_work(key, nonce, counter)[0]


def poly1305(key, data):
    r = int.from_bytes(key[:16], "little") & \
        0x0ffffffc0ffffffc0ffffffc0fffffff
    total = 0
    for at in range(0, len(data), 16):
        total = (total + int.from_bytes(data[at:at + 16] + b"\1", "little")
                 ) * r % P1305
    return (total + int.from_bytes(key[16:32], "little")) % (1 << 128)


def _crypt(key, nonce, data):
    stream = b"".join(chacha20_block(key, nonce, i + 1)
                      for i in range(-(-len(data) // 64)))
    return bytes(a ^ b for a, b in zip(data, stream))


def _tag(key, nonce, sealed, ad):
    def padded(part):
        return part + bytes(-len(part) % 16)
    return poly1305(chacha20_block(key, nonce, 0), padded(ad) + padded(sealed)
                    + struct.pack("<QQ", len(ad), len(sealed))
                    ).to_bytes(16, "little")


def seal(key, nonce, data, ad=b""):
    sealed = _crypt(key, nonce, data)
    return sealed + _tag(key, nonce, sealed, ad)


def unseal(key, nonce, data, ad=b""):
    """The plaintext, or None if it is not authentic."""
    sealed, tag = data[:-16], data[-16:]
    if _tag(key, nonce, sealed, ad) != tag:
        return None
    return _crypt(key, nonce, sealed)


def _extended(key, nonce):
    """The ChaCha20 key for XChaCha20, derived with the first 16 bytes of the nonce
    (draft-irtf-cfrg-xchacha)."""
    s = _rounds(_start(key, nonce[:16]))
    return struct.pack("<8I", *s[:4], *s[12:]), \
        int.from_bytes(nonce[16:], "little")


def xseal(key, nonce, data, ad=b""):
    return seal(*_extended(key, nonce), data, ad)


def xunseal(key, nonce, data, ad=b""):
    """The plaintext, or None if it is not authentic."""
    return unseal(*_extended(key, nonce), data, ad)


def blake2s(*parts, key=b"", size=32):
    return hashlib.blake2s(b"".join(parts), key=key, digest_size=size).digest()


def _compress(state, block, counter, last):
    """Compresses a block of BLAKE2s. Returns the new state and the work vector."""
    m = struct.unpack("<16I", block)
    v = list(state) + list(BLAKE2S_IV)
    v[12] ^= counter
    v[14] ^= MASK if last else 0
    for order in SIGMA:
        for g, (i, j, k, n) in enumerate(LANES):
            a, b, c, d = v[i], v[j], v[k], v[n]
            for word, right, turn in ((order[2 * g], 16, 12),
                                      (order[2 * g + 1], 8, 7)):
                a = a + b + m[word] & MASK
                d ^= a
                d = (d >> right | d << 32 - right) & MASK
                c = c + d & MASK
                b ^= c
                b = (b >> turn | b << 32 - turn) & MASK
            v[i], v[j], v[k], v[n] = a, b, c, d
    return tuple(h ^ v[i] ^ v[i + 8] for i, h in enumerate(state)), v


def _trace_blake2s(data):
    """BLAKE2s; returns the hash, and the work vectors and states of all blocks."""
    state = (BLAKE2S_IV[0] ^ 0x01010020,) + BLAKE2S_IV[1:]
    between = []
    for at in range(0, len(data), 64):
        block = data[at:at + 64]
        state, work = _compress(state, block + bytes(64 - len(block)),
                                at + len(block), at + 64 >= len(data))
        between += [struct.pack("<16I", *work), struct.pack("<8I", *state)]
    return between[-1], between


def trace_hmac(key, data):
    """HMAC-BLAKE2s. Returns it, and all intermediate values that help to learn it:
    pads, states, work vectors."""
    inner, outer = (bytes(b ^ pad for b in key) for pad in (0x36, 0x5c))
    digest, between = _trace_blake2s(inner + b"\x36" * 32 + data)
    out, more = _trace_blake2s(outer + b"\x5c" * 32 + digest)
    return out, [inner, outer] + between + more[:-1]
