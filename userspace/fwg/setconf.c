// SPDX-License-Identifier: GPL-2.0
/*
 * `fwg setconf`, `addconf` and `syncconf`: replace the configuration with that
 * of a file, add to it, or change only what differs.
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "config.h"
#include "kernel.h"
#include "sync.h"

/* A setting that the file leaves out gets the value that it has in a new interface. */
static void begin_anew(struct device *dev)
{
	dev->has_private_key = true;
	dev->has_listen_port = true;
	dev->has_fwmark = true;
	dev->replace_peers = true;
}

static int configure(int argc, char *argv[], void (*before)(struct device *dev),
		     int (*after)(struct device *dev))
{
	struct device dev = { 0 };
	int ret;

	if (argc < 3) {
		warnx("%s needs an interface and a file", argv[0]);
		return 1;
	}
	if (too_many(argc, argv, 2) || !valid_interface(argv[1]))
		return 1;
	strcpy(dev.name, argv[1]);
	if (before)
		before(&dev);
	ret = config_from_file(&dev, argv[2]);
	if (!ret && after)
		ret = after(&dev);
	if (!ret)
		ret = kernel_set_device(&dev, argv[2]);
	device_clear(&dev);
	return ret ? 1 : 0;
}

int cmd_setconf(int argc, char *argv[])
{
	return configure(argc, argv, begin_anew, NULL);
}

int cmd_addconf(int argc, char *argv[])
{
	return configure(argc, argv, NULL, NULL);
}

int cmd_syncconf(int argc, char *argv[])
{
	return configure(argc, argv, begin_anew, sync_peers);
}
