// SPDX-License-Identifier: GPL-2.0
/* generation: the generation layer, with an entry for the fuzzer. */

#include "../../../module/generation.c"

#include "fuzz.h"

/**
 * fuzz_settle_resets() - wait until the reset that a check has begun is queued for all devices
 *
 * Context: process.
 */
void fuzz_settle_resets(void)
{
	flush_work(&reset_work);
}
