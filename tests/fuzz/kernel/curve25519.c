// SPDX-License-Identifier: GPL-2.0
/*
 * curve25519: the kernel's own, of its two the one for 64-bit machines, which
 * user-mode Linux leaves out. A message whose ephemeral key was changed costs a
 * computation, and this one takes a tenth of the time.
 */

#include "curve25519-hacl64.c"
