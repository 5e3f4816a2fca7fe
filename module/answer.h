/* SPDX-License-Identifier: GPL-2.0 */
/* answer: takes handshake messages, and answers them. */
#ifndef _FORKGUARD_ANSWER_H
#define _FORKGUARD_ANSWER_H

#include <linux/types.h>

struct fwg_device;
struct sk_buff;
struct work_struct;

void fwg_answer_queue(struct fwg_device *device, struct sk_buff *skb, size_t len);
void fwg_answer_work(struct work_struct *work);

#endif /* _FORKGUARD_ANSWER_H */
