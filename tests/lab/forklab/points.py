# SPDX-License-Identifier: GPL-2.0
"""The points in the kernel at which a sweep forks guests, for forkguard and for stock WireGuard.

A point is a way through the code: names of functions, to whose first instruction the guest is
taken, and the special steps below. If names are joined by a bar, a kernel has one of them.
"""

import dataclasses

RETURN = "<return>"     # the return of the function that was entered last
RESERVE = "<reserve>"   # its first atomic exchange, which takes a nonce
HANDSHAKES = ("initiating", "responding", "finishing")
FEW = {"<some>": 12, "<many>": 500}     # a random number of instructions, up to this


@dataclasses.dataclass(frozen=True)
class Point:
    name: str
    way: tuple
    # A clone is forked again while it is being notified of its own fork.
    in_clone: bool = False

    @property
    def in_handshake(self):
        return self.name.startswith(HANDSHAKES)


def _points(kind, rows, **more):
    return tuple(Point(f"{kind}: {name}", tuple(way.split()), **more)
                 for name, way in rows)


_ENCRYPT = "chacha20poly1305_encrypt_sg_inplace"

_BELOW = (
    ("in ChaCha20", f"{_ENCRYPT} chacha_crypt_arch <many>"),
    ("in Poly1305", f"{_ENCRYPT} poly1305_update_arch <many>"),
    ("finishing the tag", f"{_ENCRYPT} poly1305_final_arch <many>"),
)

_UDP = (
    ("UDP header", "udp_tunnel_xmit_skb <some>"),
    ("IP header", "udp_tunnel_xmit_skb iptunnel_xmit <some>"),
    ("IP output", "udp_tunnel_xmit_skb ip_output <some>"),
    ("queue of the card", "udp_tunnel_xmit_skb __dev_queue_xmit <some>"),
    ("driver of the card", "udp_tunnel_xmit_skb start_xmit <many>"),
    ("doorbell of the card", "udp_tunnel_xmit_skb vp_notify"),
)

_NOTIFIER = (
    ("the ACPI notification", "vmgenid_notify|vmgenid_acpi_notify"),
    ("the new ID into the RNG", "add_vmfork_randomness <some>"),
    ("reseeding the RNG", "add_vmfork_randomness crng_reseed <many>"),
)

FORKGUARD = _points("data", (
    ("a packet comes to the interface", "fwg_xmit <some>"),
    ("staged", "fwg_send_packets <some>"),
    ("about to be sealed", "fwg_seal_packet <many>"),
    ("the cheap check", "fwg_noise_seal <some>"),
    ("before the nonce is taken", "fwg_noise_seal <reserve>"),
    ("after the nonce was taken", "fwg_noise_seal <reserve> <some>"),
    ("encryption begins", f"fwg_noise_seal {_ENCRYPT} <some>"),
) + _BELOW + (
    ("last byte done, before the check", f"fwg_noise_seal {_ENCRYPT} <return>"),
    ("in the check", f"fwg_noise_seal {_ENCRYPT} <return> <some>"),
    ("checked, before hand-over", "fwg_noise_seal <return> <some>"),
    ("handed over", "fwg_noise_seal skb_scrub_packet <some>"),
    ("to the socket", "fwg_noise_seal fwg_socket_send <some>"),
) + _UDP) + _points("receiving", (
    ("a message comes", "fwg_receive_message <some>"),
    ("being opened", "fwg_noise_open <some>"),
    ("opened", "fwg_noise_open <return> <some>"),
)) + _points("initiating", (
    ("begins", "fwg_noise_initiate <some>"),
    ("index drawn", "fwg_session_create fwg_generation_draw <some>"),
    ("asking the RNG", "fwg_generation_draw get_random_bytes <many>"),
    ("timestamp claimed", "fwg_clock_now <return> <some>"),
    ("ephemeral drawn", "fwg_draw_ephemeral fwg_generation_draw <return> <some>"),
    ("ephemeral's public key", "fwg_draw_ephemeral curve25519_base_arch <many>"),
    ("Diffie-Hellman", "fwg_draw_ephemeral curve25519_arch <many>"),
    ("in BLAKE2s", "fwg_noise_initiate blake2s_update <many>"),
    ("deriving keys", "fwg_draw_ephemeral fwg_kdf <many>"),
    ("encrypting its static key", f"fwg_draw_ephemeral {_ENCRYPT} <many>"),
    ("encrypted, before the check", f"fwg_draw_ephemeral {_ENCRYPT} <return>"),
    ("in the check", f"fwg_draw_ephemeral {_ENCRYPT} <return> <some>"),
    ("encrypting its timestamp", f"fwg_draw_ephemeral {_ENCRYPT} <return> {_ENCRYPT} <many>"),
    ("before it is put into place", "fwg_noise_initiate fwg_still_valid <some>"),
    ("in place", "fwg_noise_initiate fwg_still_valid <return> <many>"),
    ("before its MAC", "fwg_noise_initiate fwg_noise_add_macs <many>"),
    ("to the socket", "fwg_noise_initiate fwg_noise_add_macs fwg_socket_send <some>"),
)) + _points("responding", (
    ("taken from the queue", "fwg_answer_work <some>"),
    ("its MAC", "fwg_answer_work fwg_noise_mac1_valid <many>"),
    ("begins", "fwg_noise_respond <some>"),
    ("Diffie-Hellman", "fwg_noise_respond curve25519_arch <many>"),
    ("index drawn", "fwg_noise_respond fwg_generation_draw <many>"),
    ("ephemeral drawn", "fwg_noise_respond fwg_draw_ephemeral <return> <some>"),
    ("encrypting", f"fwg_noise_respond {_ENCRYPT} <many>"),
    ("encrypted, before the check", f"fwg_noise_respond {_ENCRYPT} <return>"),
    ("in the check", f"fwg_noise_respond {_ENCRYPT} <return> <some>"),
    ("keys split", "fwg_noise_respond fwg_still_valid <some>"),
    ("the session put into place", "fwg_noise_respond fwg_establish <some>"),
    ("done", "fwg_noise_respond <return> <some>"),
    ("to the socket", "fwg_send_response fwg_socket_send <some>"),
)) + _points("finishing", (
    ("a cookie comes first", "fwg_noise_take_cookie <some>"),
    ("opening the cookie", "fwg_noise_take_cookie xchacha20poly1305_decrypt "
     "<many>"),
    ("begins", "fwg_noise_finish <some>"),
    ("Diffie-Hellman", "fwg_noise_finish curve25519_arch <many>"),
    ("keys split", "fwg_noise_finish fwg_still_valid <return> fwg_still_valid <some>"),
    ("the session put into place", "fwg_noise_finish fwg_establish <some>"),
    ("done", "fwg_noise_finish <return> <some>"),
    ("the keepalive that shows it", "fwg_noise_finish fwg_send_keepalive <many>"),
)) + _points("reset", (
    ("forced", "fwg_generation_advance <some>"),
    ("noticed", "fwg_notice <some>"),
    ("a device", "fwg_reset_stale <some>"),
    ("a peer", "fwg_noise_peer_reset <some>"),
    ("wiping a session", "fwg_session_retire <some>"),
    ("wiped", "fwg_noise_peer_reset <return> <some>"),
)) + _points("notifier", _NOTIFIER + (
    ("called", "fwg_on_vmfork <some>"),
    ("noticed", "fwg_notice <some>"),
    ("a device", "fwg_reset_stale <some>"),
    ("a peer", "fwg_noise_peer_reset <some>"),
    ("wiping a session", "fwg_session_retire <some>"),
    ("recovering", "fwg_timers_recover <some>"),
    ("a new handshake", "fwg_noise_initiate fwg_draw_ephemeral <return> <some>"),
), in_clone=True)

WIREGUARD = _points("data", (
    ("a packet comes to the interface", "wg_xmit <some>"),
    ("nonces are taken", "wg_packet_send_staged_packets <many>"),
    ("encryption begins", f"{_ENCRYPT} <some>"),
) + _BELOW + (
    ("last byte done", f"{_ENCRYPT} <return>"),
    ("to the socket", "wg_socket_send_skb_to_peer <some>"),
) + _UDP) + _points("initiating", (
    ("begins", "wg_noise_handshake_create_initiation <some>"),
    ("asking the RNG", "wg_noise_handshake_create_initiation get_random_bytes <many>"),
    ("Diffie-Hellman", "wg_noise_handshake_create_initiation curve25519_arch <many>"),
    ("encrypting",
     f"wg_noise_handshake_create_initiation {_ENCRYPT}|chacha20poly1305_encrypt <many>"),
    ("done", "wg_noise_handshake_create_initiation <return> <some>"),
)) + _points("responding", (
    ("begins", "wg_noise_handshake_consume_initiation <some>"),
    ("asking the RNG", "wg_noise_handshake_create_response get_random_bytes <many>"),
    ("done", "wg_noise_handshake_create_response <return> <some>"),
)) + _points("finishing", (
    ("begins", "wg_noise_handshake_consume_response <some>"),
    ("the session put into place", "wg_noise_handshake_begin_session <some>"),
)) + _points("notifier", _NOTIFIER + (
    ("called", "wg_vm_notification <some>"),
    ("expiring a peer's keys", "wg_noise_expire_current_peer_keypairs <some>"),
), in_clone=True)

# The function in which two CPUs race for a nonce.
SEALING = "fwg_noise_seal"


@dataclasses.dataclass(frozen=True)
class Trail:
    """All instructions from the entry of the last function on a way to its return."""
    way: tuple
    stride: int     # instructions between two forks, after all passes
    length: int     # approximate number of instructions


TRAILS = {
    "along a packet": Trail(("fwg_xmit",), 8, 7000),
    "along an initiation": Trail(("fwg_send_initiation_work",), 32, 20000),
    "along answering": Trail(("fwg_noise_respond",), 32, 20000),
    "along finishing": Trail(("fwg_noise_finish",), 32, 10000),
}
# The functions on trails that only compute.
LEAVES = ("curve25519_arch", "curve25519_base_arch", "blake2s_update",
          "blake2s_final")
