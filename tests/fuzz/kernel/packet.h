/* SPDX-License-Identifier: GPL-2.0 */
/*
 * packet: shared by the parts of the target. packet.c is the program, packet_world.c
 * has the device and its peers, packet_deliver.c checks the results.
 */
#ifndef _FORKGUARD_FUZZ_PACKET_H
#define _FORKGUARD_FUZZ_PACKET_H

#include "fuzz.h"
#include "fuzz_noise.h"
#include "noise/cookie.h"
#include "peer.h"
#include "timers.h"

#define PEERS 3
#define STRANGER PEERS
#define KEPT 16
#define MESSAGE_MAX 1792
#define INNER_MAX 1600
#define SESSIONS 32
#define TAKEN 32
#define PREFIXES 7

/* A delivery that takes more ticks is not checked: a timer may have run meanwhile. */
#define SLOW 4

enum kind {
	RAW,
	INITIATION,
	RESPONSE,
	COOKIE,
	DATA
};

/* How a message is delivered. */
enum how {
	HOW_IPV6 = BIT(0),
	HOW_FRAGS = BIT(1),
	HOW_FRAG_LIST = BIT(2),
	HOW_CLONED = BIT(3),
	HOW_UDP_LEN = BIT(4),
	HOW_EDITED = BIT(5),
	HOW_RESIZED = BIT(6),
	HOW_NO_MAC = BIT(7),
};

/**
 * struct delivery - how a message is delivered
 * @how: see &enum how
 * @source: selects its source address
 * @ds: DS field of the IP header
 * @linear: length of the linear part of the datagram
 * @udp_len: length in the UDP header
 */
struct delivery {
	u8 how, source, ds;
	unsigned int linear, udp_len;
};

/**
 * struct message - a genuine message
 * @kind: its kind
 * @peer: the peer that sends it
 * @era: era of the peer when the device began the message's handshake
 * @taken: it has been accepted
 * @counter: counter of a data message
 * @inner_len: length of the plaintext
 * @len: length of the message
 * @inner: the plaintext
 * @bytes: the message
 */
struct message {
	enum kind kind;
	u8 peer;
	unsigned int era;
	bool taken;
	u64 counter;
	size_t inner_len, len;
	u8 inner[INNER_MAX];
	u8 bytes[MESSAGE_MAX];
};

/**
 * struct view - all state that a message may change
 * @peers: state of each peer
 * @delivered: packets handed to the stack
 * @sent: messages sent
 */
struct view {
	struct {
		struct endpoint endpoint;
		struct fuzz_noise_state noise;
		u64 rx_bytes;
		s64 last_handshake;
	} peers[PEERS];
	unsigned int delivered, sent;
};

/**
 * struct world - the device under test, its peers, and the model
 * @device: the device
 * @link: the interface over which it sends
 * @tap: receives what it sends
 * @private_key: the device's private key
 * @mac_keys: MAC keys of messages to it
 * @identity: the device has its private key at present
 * @forked: the machine was forked, and no reset has followed yet
 * @id: the generation ID
 * @saved_id: the pointer to the ID outside of fuzzing
 * @ends: the peers and, last, a stranger
 * @sessions: sessions that the device has had in this run
 * @num_sessions: number of @sessions
 * @taken: the latest data messages that were accepted
 * @num_taken: how many there were
 * @kept: the latest genuine messages
 * @num_kept: how many there were
 * @initiation: the latest initiation that the device has sent
 * @has_initiation: @initiation is valid
 * @sent: messages that it has sent
 * @delivered: packets that it has delivered
 * @expected: the packet that may be delivered now; its @len is 0 for none
 * @payload: the datagram that the device receives now
 * @key: key of the next session
 * @before: the state before that; not on the stack, because KASAN walks it at each
 *	allocation
 * @after: the state after that
 */
struct world {
	struct fwg_device *device;
	struct net_device *link;
	struct packet_type tap;
	u8 private_key[NOISE_PUBLIC_KEY_LEN];
	struct mac_keys mac_keys;
	bool identity, forked;
	u64 id[2];
	const u64 *saved_id;
	struct {
		struct fwg_peer *ours; /* the device's peer; NULL for the stranger */
		struct noise_local *local;
		struct noise_peer *theirs;
		u8 public_key[NOISE_PUBLIC_KEY_LEN];
		unsigned int era; /* incremented when all its sessions end */
		u64 counter;
	} ends[PEERS + 1];

	struct {
		u32 index;
		unsigned int era;
		unsigned int age;
	} sessions[SESSIONS];
	unsigned int num_sessions;
	struct {
		u32 index;
		u64 counter;
	} taken[TAKEN];
	unsigned int num_taken;

	struct message kept[KEPT];
	unsigned int num_kept;
	struct message_initiation initiation;
	bool has_initiation;
	unsigned int sent, delivered;

	struct {
		const u8 *bytes;
		size_t len;
		u8 ecn; /* of the outer packet */
	} expected;
	u8 payload[MESSAGE_MAX];
	u8 key;
	struct view before, after;
};

/**
 * struct prefix - an allowed IP
 * @peer: the peer to which it belongs
 * @family: AF_INET or AF_INET6
 * @cidr: length in bits
 * @addr: the prefix
 */
struct prefix {
	u8 peer, family, cidr;
	u8 addr[16];
};

extern struct world *world;
extern struct prefix world_prefixes[PREFIXES];

void world_look(struct view *view);
void world_end_era(u8 peer);
void world_fork(void);
void world_settle_resets(void);
void world_notice_fork(void);
void world_move_prefix(u8 peer);
int world_add_peer(u8 peer);
void world_add_mac1(void *msg, size_t len);
void world_remove_peer(u8 peer);
void world_set_identity(bool identity);
void world_set_psk(u8 peer, u8 byte);
void world_restart(void);
void world_end(void);
int world_begin(void);
void deliver_note_sessions(const struct view *view);
void deliver_settle(void);
void deliver_payload(struct message *message, size_t len, const struct delivery *way, bool fresh);

#endif /* _FORKGUARD_FUZZ_PACKET_H */
