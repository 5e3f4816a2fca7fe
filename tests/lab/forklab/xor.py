# SPDX-License-Identifier: GPL-2.0
"""Shows what a reused nonce reveals, from captures alone, without a key.

The XOR of two ciphertexts under one key and nonce is the XOR of their plaintexts.
So anyone who knows one plaintext can compute the other.
"""

from . import pcap

HEADERS = 20 + 8        # inner IPv4 and UDP
SENTENCE = 64
# The known sentences of guest/traffic.c.
KNOWN = (
    b"Good morning, this is the weather report: sunny, light winds.",
    b"Status of this machine: all is well, there is nothing to tell.",
)


def difference(one, two):
    return bytes(a ^ b for a, b in zip(one, two))


def readable(text):
    return all(32 <= byte < 127 for byte in text)


def read_secret(captures, reuses):
    """Looks for a reused nonce with one known plaintext, and shows the other.
    captures: by path. Returns text, or None."""
    messages = {}
    for reuse in reuses:
        if reuse["kind"] != "transport":
            continue
        pair = []
        for place in (reuse["a"], reuse["b"]):
            path = place["file"]
            if path not in messages:
                messages[path] = {m.number: m
                                  for m in pcap.read(captures[path])}
            pair.append(messages[path][place["packet"]].data)
        hidden = [data[16 + HEADERS:][:SENTENCE] for data in pair]
        mix = difference(*hidden)
        for known in KNOWN:
            secret = difference(mix, known.ljust(SENTENCE))
            # Sentences with the same beginning, or both known, prove nothing.
            if any(mix[:8]) and readable(secret) and secret.strip() not in KNOWN:
                return show(reuse, hidden, mix, known, secret)
    return None


def show(reuse, hidden, mix, known, secret):
    def row(name, data):
        return f"  {name:<21} {data[:22].hex(' ')} ..."
    return "\n".join((
        f"One nonce of the control: receiver index {reuse['receiver']}, "
        f"counter {reuse['counter']}.",
        row("clone 1 sent", hidden[0]),
        row("clone 2 sent", hidden[1]),
        row("XOR of the two", mix),
        row("XOR with the guess", known),
        f"  the guess             \"{known.decode()}\"",
        f"  reveals the other     \"{secret.decode().strip()}\""))
