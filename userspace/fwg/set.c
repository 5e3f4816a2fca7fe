// SPDX-License-Identifier: GPL-2.0
/* `fwg set`: parses all words before it changes anything. */
#include <err.h>
#include <string.h>

#include "commands.h"
#include "config.h"
#include "kernel.h"

int cmd_set(int argc, char *argv[])
{
	struct device dev = { 0 };
	int ret;

	if (argc < 3) {
		warnx("set needs an interface and a setting (see `fwg set --help')");
		return 1;
	}
	if (!valid_interface(argv[1]))
		return 1;
	strcpy(dev.name, argv[1]);
	ret = config_from_words(&dev, argc - 2, argv + 2);
	if (!ret)
		ret = kernel_set_device(&dev, NULL);
	device_clear(&dev);
	return ret ? 1 : 0;
}
