// SPDX-License-Identifier: GPL-2.0
/* generation: the generation layer, with an entry point for the fuzzer. */

#include "../../../module/generation.c"

#include "fuzz.h"

/**
 * fuzz_settle_resets() - wait until a reset begun by a check is queued for all devices
 *
 * Context: process.
 */
void fuzz_settle_resets(void)
{
	flush_work(&reset_work);
}
