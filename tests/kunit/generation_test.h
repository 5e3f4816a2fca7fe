/* SPDX-License-Identifier: GPL-2.0 */
/* Functions of the tests of generation for other tests. */
#ifndef _FORKGUARD_TEST_GENERATION_H
#define _FORKGUARD_TEST_GENERATION_H

#include "generation.h"

generation_reset_fn test_swap_reset(generation_reset_fn reset);
void test_settle_resets(void);

#endif /* _FORKGUARD_TEST_GENERATION_H */
