/* SPDX-License-Identifier: GPL-2.0 */
/* Functions of the tests of device for other tests. */
#ifndef _FORKGUARD_TEST_DEVICE_H
#define _FORKGUARD_TEST_DEVICE_H

#include "tunnel.h"

struct kunit;

struct fwg_device *test_device_create(struct kunit *test);

#endif /* _FORKGUARD_TEST_DEVICE_H */
