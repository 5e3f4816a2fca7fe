# SPDX-License-Identifier: GPL-2.0
"""WireGuard messages: their types, and bytes in their form."""

import struct

INITIATION, RESPONSE, COOKIE, TRANSPORT = 1, 2, 3, 4
KEEPALIVE_LEN = 32  # a transport message without data


def transport(receiver, counter, text=bytes(16)):
    return struct.pack("<IIQ", TRANSPORT, receiver, counter) + text


def initiation(sender, ephemeral, encrypted=bytes(76), mac1=bytes(16), mac2=bytes(16)):
    return struct.pack("<II", INITIATION, sender) + ephemeral + encrypted + mac1 + mac2


def response(sender, receiver, ephemeral, encrypted=bytes(16), mac1=bytes(16), mac2=bytes(16)):
    return struct.pack("<III", RESPONSE, sender, receiver) + ephemeral + encrypted + mac1 + mac2


def cookie(receiver, nonce, encrypted=bytes(32)):
    return struct.pack("<II", COOKIE, receiver) + nonce + encrypted
