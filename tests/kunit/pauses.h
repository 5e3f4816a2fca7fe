/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pauses: included before module/reset.c when it is built for KUnit, so that a test
 * can run code whenever a walk over the peers pauses.
 */
#ifndef _FORKGUARD_TEST_PAUSES_H
#define _FORKGUARD_TEST_PAUSES_H

#include "generation.h"
#include "peer.h"

#include <linux/sched.h>

void test_pause(void);

static inline void test_cond_resched(void)
{
	cond_resched();
}

#undef cond_resched
#define cond_resched() test_pause()

#endif /* _FORKGUARD_TEST_PAUSES_H */
