// SPDX-License-Identifier: GPL-2.0
/* Fuzzes the configuration files of setconf, addconf and syncconf. */
#include "../../userspace/fwg/config.h"

#include "config_oracle.h"
#include "config_world.h"
#include "harness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct device dev = { 0 };
	bool failed;

	caught_forget(&output);
	caught_forget(&complaints);
	world = (struct world){ .file = { data, size } };

	failed = config_from_file(&dev, "fuzz.conf");
	expect_complaint(failed);
	if (!failed)
		expect_understood(&dev);
	device_clear(&dev);
	return 0;
}
