/* SPDX-License-Identifier: GPL-2.0 */
/*
 * session: keys, counters and replay windows. A session is in a slot of its peer, and
 * is found by its index.
 */
#ifndef _FORKGUARD_NOISE_SESSION_H
#define _FORKGUARD_NOISE_SESSION_H

#include "private.h"

int __must_check fwg_sessions_init(struct noise_local *local);
struct noise_session *fwg_session_lookup(struct noise_local *local, __le32 index);
struct noise_session *fwg_session_create(struct noise_peer *peer,
					 const struct generation_stamp *stamp);
void fwg_session_retire(struct noise_session *session);
struct noise_session *fwg_in_slot(struct noise_peer *peer, enum slot slot);
void fwg_retire_pending(struct noise_peer *peer);
void fwg_establish(struct noise_peer *peer, struct noise_session *session,
		   const struct noise_keys *keys, __le32 remote_index, bool initiator);
bool fwg_older_than(const struct noise_session *session, u64 seconds);

#endif /* _FORKGUARD_NOISE_SESSION_H */
