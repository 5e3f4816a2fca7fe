/* SPDX-License-Identifier: GPL-2.0 */
/* clock: the time for the timestamps of handshake initiations. */
#ifndef _FORKGUARD_CLOCK_H
#define _FORKGUARD_CLOCK_H

#include <linux/time64.h>

void fwg_clock_init(void);
struct timespec64 fwg_clock_now(void);

#endif /* _FORKGUARD_CLOCK_H */
