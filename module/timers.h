/* SPDX-License-Identifier: GPL-2.0 */
/* timers: what a peer does by itself (WireGuard whitepaper, section 6). */
#ifndef _FORKGUARD_TIMERS_H
#define _FORKGUARD_TIMERS_H

#include <linux/types.h>

struct fwg_peer;

void fwg_timers_init(struct fwg_peer *peer);
void fwg_timers_stop(struct fwg_peer *peer);

void fwg_timers_data_sent(struct fwg_peer *peer);
void fwg_timers_data_received(struct fwg_peer *peer);
void fwg_timers_any_sent(struct fwg_peer *peer);
void fwg_timers_any_received(struct fwg_peer *peer);
void fwg_timers_handshake_initiated(struct fwg_peer *peer);
void fwg_timers_handshake_complete(struct fwg_peer *peer);
void fwg_timers_session_derived(struct fwg_peer *peer);
void fwg_timers_hurry(struct fwg_peer *peer);
void fwg_timers_recover(struct fwg_peer *peer);
bool fwg_timers_recovering(const struct fwg_peer *peer);

#endif /* _FORKGUARD_TIMERS_H */
