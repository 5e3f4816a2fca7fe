/* SPDX-License-Identifier: GPL-2.0 */
/* What tests of other layers need of generation's. */
#ifndef _FORKGUARD_TEST_GENERATION_H
#define _FORKGUARD_TEST_GENERATION_H

#include "generation.h"

generation_reset_fn test_swap_reset(generation_reset_fn reset);
void test_settle_resets(void);

#endif /* _FORKGUARD_TEST_GENERATION_H */
