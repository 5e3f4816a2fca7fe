// SPDX-License-Identifier: GPL-2.0
/* generation: the generation layer, with a door for the fuzzer. */

#include "../../../module/generation.c"

#include "fuzz.h"

/**
 * fuzz_settle_resets() - wait for the reset that a check has begun
 *
 * Context: process.
 */
void fuzz_settle_resets(void)
{
	flush_work(&reset_work);
}
