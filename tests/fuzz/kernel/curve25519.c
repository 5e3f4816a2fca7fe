// SPDX-License-Identifier: GPL-2.0
/*
 * curve25519: the kernel's implementation for 64-bit machines, which user-mode Linux
 * does not use. It takes a tenth of the time of the other one. Each message with a
 * changed ephemeral key costs a computation.
 */

#include "curve25519-hacl64.c"
