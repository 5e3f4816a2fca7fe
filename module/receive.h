/* SPDX-License-Identifier: GPL-2.0 */
/* receive: from the socket to the interface. */
#ifndef _FORKGUARD_RECEIVE_H
#define _FORKGUARD_RECEIVE_H

struct fwg_sockets;
struct sk_buff;

void fwg_receive_message(struct fwg_sockets *sockets, struct sk_buff *skb);

#endif /* _FORKGUARD_RECEIVE_H */
