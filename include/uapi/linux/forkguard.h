/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * What the forkguard kernel module and its userspace agree on: the generic
 * netlink family, its commands, attributes and flags. Nothing else.
 *
 * Commands, attributes and flags that WireGuard also has keep their numbers and
 * meaning from <linux/wireguard.h>; forkguard's own begin at 64. Attributes of
 * nests that WireGuard does not have are numbered from 1.
 *
 * FORKGUARD_CMD_GET_DEVICE
 *	Dump (NLM_F_REQUEST | NLM_F_DUMP) of one device, named by either
 *	FORKGUARD_DEVICE_A_IFINDEX or FORKGUARD_DEVICE_A_IFNAME. A device whose
 *	peers or allowed IPs do not fit one message is continued in the next,
 *	which has FORKGUARD_DEVICE_A_PEERS alone, or repeats the device if the
 *	first peer is not complete yet. A peer that is continued repeats its
 *	public key and has only further allowed IPs. There are no empty nests.
 *
 * FORKGUARD_CMD_SET_DEVICE
 *	Configures one device. A message is applied whole; if it is malformed,
 *	asks for too many peers (-ENOSPC, counted before any is removed) or
 *	memory is short (-ENOMEM), nothing is changed. The exception: if the
 *	kernel can't enlarge the table of peers when it should, a message that
 *	adds peers is applied up to there, and the same message again completes
 *	it. Allowed IPs change in one step: while they are replaced or moved by
 *	one message, packets find the old owner or the new.
 *
 * FORKGUARD_CMD_RESET
 *	Wipes all handshakes and sessions of one device or, with
 *	FORKGUARD_DEVICE_A_PEER_KEY, of one of its peers. Peers that had a
 *	session start a new handshake by themselves.
 *
 * FORKGUARD_CMD_GET_GENERATION
 *	Asks for FORKGUARD_DEVICE_A_GENERATION alone, without a device.
 *
 * FORKGUARD_CMD_RESET_EVENT
 *	Multicast to the group "events" of the device's network namespace after
 *	each reset of a device: IFINDEX, IFNAME, GENERATION, RESET_CAUSE,
 *	RESET_PEERS and, for the reset of one peer, PEER_KEY.
 *
 * All commands need CAP_NET_ADMIN in the user namespace that owns the network
 * namespace of the device.
 */
#ifndef _UAPI_LINUX_FORKGUARD_H
#define _UAPI_LINUX_FORKGUARD_H

#define FORKGUARD_GENL_NAME "forkguard"
#define FORKGUARD_GENL_VERSION 1
#define FORKGUARD_GENL_MCGRP_EVENTS "events"

#define FORKGUARD_KEY_LEN 32
#define FORKGUARD_GENERATION_TAG_LEN 8

enum forkguard_cmd {
	FORKGUARD_CMD_GET_DEVICE = 0,
	FORKGUARD_CMD_SET_DEVICE = 1,
	FORKGUARD_CMD_RESET = 64,
	FORKGUARD_CMD_GET_GENERATION = 65,
	FORKGUARD_CMD_RESET_EVENT = 66,
};

enum forkguard_device_flag {
	FORKGUARD_DEVICE_F_REPLACE_PEERS = 1U << 0,
};

/**
 * enum forkguard_device_attribute - top level attributes
 * @FORKGUARD_DEVICE_A_UNSPEC: unused
 * @FORKGUARD_DEVICE_A_IFINDEX: u32
 * @FORKGUARD_DEVICE_A_IFNAME: NUL terminated string
 * @FORKGUARD_DEVICE_A_PRIVATE_KEY: 32 bytes; all zero removes the key
 * @FORKGUARD_DEVICE_A_PUBLIC_KEY: 32 bytes, dump only
 * @FORKGUARD_DEVICE_A_FLAGS: u32, &enum forkguard_device_flag, set only
 * @FORKGUARD_DEVICE_A_LISTEN_PORT: u16, 0 chooses one
 * @FORKGUARD_DEVICE_A_FWMARK: u32, 0 disables
 * @FORKGUARD_DEVICE_A_PEERS: nested list of &enum forkguard_peer_attribute
 * @FORKGUARD_DEVICE_A_GENERATION: nested &enum forkguard_generation_attribute
 * @FORKGUARD_DEVICE_A_PEER_KEY: 32 bytes, the public key of a peer
 * @FORKGUARD_DEVICE_A_RESETS: u64, resets of this device
 * @FORKGUARD_DEVICE_A_RESET_CAUSE: u32, &enum forkguard_reset_cause: of the
 *	event, or in a dump of the last reset of this device
 * @FORKGUARD_DEVICE_A_RESET_TIME: struct __kernel_timespec, CLOCK_REALTIME of
 *	the last reset of this device, 0 when there was none
 * @FORKGUARD_DEVICE_A_RESET_PEERS: u32, number of peers whose secrets were wiped
 * @FORKGUARD_DEVICE_A_PAD: alignment of 64-bit attributes
 * @FORKGUARD_DEVICE_A_DROPS: nested &enum forkguard_drop, dump only
 */
enum forkguard_device_attribute {
	FORKGUARD_DEVICE_A_UNSPEC = 0,
	FORKGUARD_DEVICE_A_IFINDEX = 1,
	FORKGUARD_DEVICE_A_IFNAME = 2,
	FORKGUARD_DEVICE_A_PRIVATE_KEY = 3,
	FORKGUARD_DEVICE_A_PUBLIC_KEY = 4,
	FORKGUARD_DEVICE_A_FLAGS = 5,
	FORKGUARD_DEVICE_A_LISTEN_PORT = 6,
	FORKGUARD_DEVICE_A_FWMARK = 7,
	FORKGUARD_DEVICE_A_PEERS = 8,
	FORKGUARD_DEVICE_A_GENERATION = 64,
	FORKGUARD_DEVICE_A_PEER_KEY = 65,
	FORKGUARD_DEVICE_A_RESETS = 66,
	FORKGUARD_DEVICE_A_RESET_CAUSE = 67,
	FORKGUARD_DEVICE_A_RESET_TIME = 68,
	FORKGUARD_DEVICE_A_RESET_PEERS = 69,
	FORKGUARD_DEVICE_A_PAD = 70,
	FORKGUARD_DEVICE_A_DROPS = 71,
	__FORKGUARD_DEVICE_A_LAST,
};

#define FORKGUARD_DEVICE_A_MAX (__FORKGUARD_DEVICE_A_LAST - 1)

enum forkguard_peer_flag {
	FORKGUARD_PEER_F_REMOVE_ME = 1U << 0,
	FORKGUARD_PEER_F_REPLACE_ALLOWEDIPS = 1U << 1,
	FORKGUARD_PEER_F_UPDATE_ONLY = 1U << 2,
};

/**
 * enum forkguard_peer_attribute - attributes of a peer
 * @FORKGUARD_PEER_A_UNSPEC: alignment of 64-bit attributes
 * @FORKGUARD_PEER_A_PUBLIC_KEY: 32 bytes
 * @FORKGUARD_PEER_A_PRESHARED_KEY: 32 bytes; all zero means none
 * @FORKGUARD_PEER_A_FLAGS: u32, &enum forkguard_peer_flag, set only
 * @FORKGUARD_PEER_A_ENDPOINT: struct sockaddr_in or struct sockaddr_in6
 * @FORKGUARD_PEER_A_PERSISTENT_KEEPALIVE_INTERVAL: u16, seconds, 0 disables
 * @FORKGUARD_PEER_A_LAST_HANDSHAKE_TIME: struct __kernel_timespec
 * @FORKGUARD_PEER_A_RX_BYTES: u64
 * @FORKGUARD_PEER_A_TX_BYTES: u64
 * @FORKGUARD_PEER_A_ALLOWEDIPS: nested list of
 *	&enum forkguard_allowedip_attribute
 * @FORKGUARD_PEER_A_PROTOCOL_VERSION: u32, 1
 */
enum forkguard_peer_attribute {
	FORKGUARD_PEER_A_UNSPEC = 0,
	FORKGUARD_PEER_A_PUBLIC_KEY = 1,
	FORKGUARD_PEER_A_PRESHARED_KEY = 2,
	FORKGUARD_PEER_A_FLAGS = 3,
	FORKGUARD_PEER_A_ENDPOINT = 4,
	FORKGUARD_PEER_A_PERSISTENT_KEEPALIVE_INTERVAL = 5,
	FORKGUARD_PEER_A_LAST_HANDSHAKE_TIME = 6,
	FORKGUARD_PEER_A_RX_BYTES = 7,
	FORKGUARD_PEER_A_TX_BYTES = 8,
	FORKGUARD_PEER_A_ALLOWEDIPS = 9,
	FORKGUARD_PEER_A_PROTOCOL_VERSION = 10,
	__FORKGUARD_PEER_A_LAST,
};

#define FORKGUARD_PEER_A_MAX (__FORKGUARD_PEER_A_LAST - 1)

enum forkguard_allowedip_flag {
	FORKGUARD_ALLOWEDIP_F_REMOVE_ME = 1U << 0,
};

/**
 * enum forkguard_allowedip_attribute - attributes of an allowed IP
 * @FORKGUARD_ALLOWEDIP_A_UNSPEC: unused
 * @FORKGUARD_ALLOWEDIP_A_FAMILY: u16, AF_INET or AF_INET6
 * @FORKGUARD_ALLOWEDIP_A_IPADDR: struct in_addr or struct in6_addr
 * @FORKGUARD_ALLOWEDIP_A_CIDR_MASK: u8
 * @FORKGUARD_ALLOWEDIP_A_FLAGS: u32, &enum forkguard_allowedip_flag, set only;
 *	removing what belongs to another peer has no effect
 */
enum forkguard_allowedip_attribute {
	FORKGUARD_ALLOWEDIP_A_UNSPEC = 0,
	FORKGUARD_ALLOWEDIP_A_FAMILY = 1,
	FORKGUARD_ALLOWEDIP_A_IPADDR = 2,
	FORKGUARD_ALLOWEDIP_A_CIDR_MASK = 3,
	FORKGUARD_ALLOWEDIP_A_FLAGS = 4,
	__FORKGUARD_ALLOWEDIP_A_LAST,
};

#define FORKGUARD_ALLOWEDIP_A_MAX (__FORKGUARD_ALLOWEDIP_A_LAST - 1)

/**
 * enum forkguard_generation_source - where the generation of this machine is
 *	read from
 * @FORKGUARD_GENERATION_SOURCE_NONE: nowhere
 * @FORKGUARD_GENERATION_SOURCE_ACPI: the ACPI VM generation ID device
 */
enum forkguard_generation_source {
	FORKGUARD_GENERATION_SOURCE_NONE = 0,
	FORKGUARD_GENERATION_SOURCE_ACPI = 1,
};

/**
 * enum forkguard_generation_check - when a fork of this machine is noticed
 * @FORKGUARD_GENERATION_CHECK_NONE: not at all
 * @FORKGUARD_GENERATION_CHECK_NOTIFIER: late, when the kernel's vm-fork
 *	notifier is called
 * @FORKGUARD_GENERATION_CHECK_PACKET: before any ciphertext is given away
 */
enum forkguard_generation_check {
	FORKGUARD_GENERATION_CHECK_NONE = 0,
	FORKGUARD_GENERATION_CHECK_NOTIFIER = 1,
	FORKGUARD_GENERATION_CHECK_PACKET = 2,
};

/**
 * enum forkguard_reset_cause - what led to a reset
 * @FORKGUARD_RESET_CAUSE_NONE: there was no reset
 * @FORKGUARD_RESET_CAUSE_PACKET: a check of the generation found it changed
 * @FORKGUARD_RESET_CAUSE_NOTIFIER: the kernel's vm-fork notifier
 * @FORKGUARD_RESET_CAUSE_FORCED: FORKGUARD_CMD_RESET
 * @FORKGUARD_RESET_CAUSE_SUSPEND: suspend or hibernation
 */
enum forkguard_reset_cause {
	FORKGUARD_RESET_CAUSE_NONE = 0,
	FORKGUARD_RESET_CAUSE_PACKET = 1,
	FORKGUARD_RESET_CAUSE_NOTIFIER = 2,
	FORKGUARD_RESET_CAUSE_FORCED = 3,
	FORKGUARD_RESET_CAUSE_SUSPEND = 4,
};

/**
 * enum forkguard_generation_attribute - attributes of the generation nest
 * @FORKGUARD_GENERATION_A_UNSPEC: unused
 * @FORKGUARD_GENERATION_A_SOURCE: u32, &enum forkguard_generation_source
 * @FORKGUARD_GENERATION_A_CHECK: u32, &enum forkguard_generation_check
 * @FORKGUARD_GENERATION_A_TAG: 8 bytes that tell two generations apart: a keyed
 *	hash of the generation ID, which itself seeds the kernel's RNG and stays
 *	secret. The key is the network namespace's own: tags of two namespaces
 *	can't be compared. Absent without a source
 * @FORKGUARD_GENERATION_A_FORKS: u64, forks seen since the module was loaded
 * @FORKGUARD_GENERATION_A_PAD: alignment of 64-bit attributes
 */
enum forkguard_generation_attribute {
	FORKGUARD_GENERATION_A_UNSPEC = 0,
	FORKGUARD_GENERATION_A_SOURCE = 1,
	FORKGUARD_GENERATION_A_CHECK = 2,
	FORKGUARD_GENERATION_A_TAG = 3,
	FORKGUARD_GENERATION_A_FORKS = 4,
	FORKGUARD_GENERATION_A_PAD = 5,
	__FORKGUARD_GENERATION_A_LAST,
};

#define FORKGUARD_GENERATION_A_MAX (__FORKGUARD_GENERATION_A_LAST - 1)

/**
 * enum forkguard_drop - why a device drops packets: u64 counters, one a reason
 *
 * RX_ counts received messages and what was in them, HS_ received handshake
 * messages, TX_ packets that were to be sent.
 *
 * @FORKGUARD_DROP_A_UNSPEC: alignment of 64-bit attributes
 * @FORKGUARD_DROP_A_RX_MALFORMED: not a message: too short, of an unknown type
 *	or of the wrong length for its type
 * @FORKGUARD_DROP_A_RX_UNKNOWN_SESSION: no session has the receiver index
 * @FORKGUARD_DROP_A_RX_STALE_SESSION: the session is of an earlier generation,
 *	or used up
 * @FORKGUARD_DROP_A_RX_FORGED: authentication failed
 * @FORKGUARD_DROP_A_RX_REPLAY: received before, or older than the replay window
 * @FORKGUARD_DROP_A_RX_WRONG_SOURCE: the source of the inner packet is not among
 *	the allowed IPs of the peer
 * @FORKGUARD_DROP_A_RX_NOT_IP: the inner packet is not a whole IP packet
 * @FORKGUARD_DROP_A_RX_QUEUE_FULL: too many inner packets waited for the stack
 * @FORKGUARD_DROP_A_RX_NO_MEMORY: no memory to process a message
 * @FORKGUARD_DROP_A_HS_QUEUE_FULL: too many handshake messages waited
 * @FORKGUARD_DROP_A_HS_BAD_MAC: the first MAC is not made with our public key
 * @FORKGUARD_DROP_A_HS_COOKIE_DEMANDED: under load, answered by a cookie reply
 * @FORKGUARD_DROP_A_HS_RATE_LIMITED: under load, too many from one source
 * @FORKGUARD_DROP_A_HS_REFUSED: of no peer, replayed, the answer to nothing, or
 *	refused by a fork
 * @FORKGUARD_DROP_A_TX_NOT_IP: not an IP packet
 * @FORKGUARD_DROP_A_TX_NO_PEER: the destination is among no peer's allowed IPs
 * @FORKGUARD_DROP_A_TX_NO_ENDPOINT: the endpoint of the peer is not known
 * @FORKGUARD_DROP_A_TX_NO_ROUTE: no way, or no socket, to the endpoint
 * @FORKGUARD_DROP_A_TX_LOOP: the way to the endpoint leads through the peer
 *	itself, or too many tunnels lie one inside of the other
 * @FORKGUARD_DROP_A_TX_QUEUE_FULL: too many packets waited for a session
 * @FORKGUARD_DROP_A_TX_NO_SESSION: waited for a session until the handshake was
 *	given up, the interface went down or the peer was removed
 * @FORKGUARD_DROP_A_TX_FORKED: the machine was forked, or the session ended, while it
 *	was encrypted
 * @FORKGUARD_DROP_A_TX_NO_MEMORY: no memory to encrypt it
 */
enum forkguard_drop {
	FORKGUARD_DROP_A_UNSPEC = 0,
	FORKGUARD_DROP_A_RX_MALFORMED = 1,
	FORKGUARD_DROP_A_RX_UNKNOWN_SESSION = 2,
	FORKGUARD_DROP_A_RX_STALE_SESSION = 3,
	FORKGUARD_DROP_A_RX_FORGED = 4,
	FORKGUARD_DROP_A_RX_REPLAY = 5,
	FORKGUARD_DROP_A_RX_WRONG_SOURCE = 6,
	FORKGUARD_DROP_A_RX_NOT_IP = 7,
	FORKGUARD_DROP_A_RX_QUEUE_FULL = 8,
	FORKGUARD_DROP_A_RX_NO_MEMORY = 9,
	FORKGUARD_DROP_A_HS_QUEUE_FULL = 10,
	FORKGUARD_DROP_A_HS_BAD_MAC = 11,
	FORKGUARD_DROP_A_HS_COOKIE_DEMANDED = 12,
	FORKGUARD_DROP_A_HS_RATE_LIMITED = 13,
	FORKGUARD_DROP_A_HS_REFUSED = 14,
	FORKGUARD_DROP_A_TX_NOT_IP = 15,
	FORKGUARD_DROP_A_TX_NO_PEER = 16,
	FORKGUARD_DROP_A_TX_NO_ENDPOINT = 17,
	FORKGUARD_DROP_A_TX_NO_ROUTE = 18,
	FORKGUARD_DROP_A_TX_LOOP = 19,
	FORKGUARD_DROP_A_TX_QUEUE_FULL = 20,
	FORKGUARD_DROP_A_TX_NO_SESSION = 21,
	FORKGUARD_DROP_A_TX_FORKED = 22,
	FORKGUARD_DROP_A_TX_NO_MEMORY = 23,
	__FORKGUARD_DROP_A_LAST,
};

#define FORKGUARD_DROP_A_MAX (__FORKGUARD_DROP_A_LAST - 1)

#endif /* _UAPI_LINUX_FORKGUARD_H */
