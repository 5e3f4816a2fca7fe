/* SPDX-License-Identifier: GPL-2.0 */
/* receive: from the socket to the interface. */
#ifndef _FORKGUARD_RECEIVE_H
#define _FORKGUARD_RECEIVE_H

struct fg_device;
struct sk_buff;
struct work_struct;

void receive_message(struct fg_device *device, struct sk_buff *skb);
void receive_handshakes_work(struct work_struct *work);

#endif /* _FORKGUARD_RECEIVE_H */
