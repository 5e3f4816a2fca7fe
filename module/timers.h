/* SPDX-License-Identifier: GPL-2.0 */
/* timers: what a peer does by itself (WireGuard whitepaper, section 6). */
#ifndef _FORKGUARD_TIMERS_H
#define _FORKGUARD_TIMERS_H

#include <linux/types.h>

struct fg_peer;

void timers_init(struct fg_peer *peer);
void timers_stop(struct fg_peer *peer);

void timers_data_sent(struct fg_peer *peer);
void timers_data_received(struct fg_peer *peer);
void timers_any_sent(struct fg_peer *peer);
void timers_any_received(struct fg_peer *peer);
void timers_handshake_initiated(struct fg_peer *peer);
void timers_handshake_complete(struct fg_peer *peer);
void timers_session_derived(struct fg_peer *peer);
void timers_hurry(struct fg_peer *peer);
void timers_recover(struct fg_peer *peer);
bool timers_recovering(const struct fg_peer *peer);

#endif /* _FORKGUARD_TIMERS_H */
