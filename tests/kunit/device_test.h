/* SPDX-License-Identifier: GPL-2.0 */
/* What tests of other layers need of device's. */
#ifndef _FORKGUARD_TEST_DEVICE_H
#define _FORKGUARD_TEST_DEVICE_H

#include "tunnel.h"

struct kunit;

struct fwg_device *test_device_create(struct kunit *test);

#endif /* _FORKGUARD_TEST_DEVICE_H */
