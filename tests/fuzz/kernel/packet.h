/* SPDX-License-Identifier: GPL-2.0 */
/*
 * packet: what the parts of the target share: packet.c is the program,
 * packet_world.c the device and its other ends, packet_deliver.c the judge.
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

/* What takes more ticks than this is not judged: a timer may have run meanwhile. */
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
 * @source: where it comes from
 * @ds: DS field of the IP header
 * @linear: how much of the datagram is not in fragments
 * @udp_len: what the UDP header says
 */
struct delivery {
	u8 how, source, ds;
	unsigned int linear, udp_len;
};

/**
 * struct message - a genuine message
 * @kind: which
 * @peer: from which peer
 * @era: of the peer when the device began the handshake that the message is from
 * @taken: has been accepted
 * @counter: of data
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
 * struct view - all that a message may change
 * @peers: what is known of each peer
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
 * struct world - the device under test, its other ends, and the model
 * @device: the device
 * @link: where it sends
 * @tap: sees what it sends
 * @private_key: of the device
 * @mac_keys: of messages to it
 * @identity: it has the key now
 * @forked: the machine was forked, and no reset has followed yet
 * @id: the generation ID
 * @saved_id: where the ID is when nobody fuzzes
 * @ends: the peers and, last, a stranger
 * @sessions: sessions that the device has had in this run
 * @num_sessions: how many
 * @taken: the latest data messages that were accepted
 * @num_taken: how many there were
 * @kept: the latest genuine messages
 * @num_kept: how many there were
 * @initiation: the latest that the device has sent
 * @has_initiation: there is one
 * @sent: messages that it has sent
 * @delivered: packets that it has delivered
 * @expected: what may be delivered now; its @len is 0 for nothing
 * @payload: what is delivered to the device now
 * @key: of the next session
 * @before: what was seen before that, not on the stack, which KASAN walks for
 *	each allocation
 * @after: and after
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
		struct fwg_peer *ours; /* as the device knows it; NULL for the stranger */
		struct noise_local *local;
		struct noise_peer *theirs;
		u8 public_key[NOISE_PUBLIC_KEY_LEN];
		unsigned int era; /* grows when all its sessions have ended */
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
 * @peer: whose
 * @family: AF_INET or AF_INET6
 * @cidr: how many bits
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
