// SPDX-License-Identifier: GPL-2.0
/* `fwg reset`: forces a reset, as after a fork. */
#include <err.h>
#include <string.h>

#include "commands.h"
#include "kernel.h"

int cmd_reset(int argc, char *argv[])
{
	uint8_t key[KEY_LEN];
	const bool one_peer = argc > 2;

	if (argc < 2) {
		warnx("reset needs an interface");
		return 1;
	}
	if (!valid_interface(argv[1]))
		return 1;
	if (one_peer && strcmp(argv[2], "peer")) {
		warnx("Invalid argument: `%s' (expected `peer')", argv[2]);
		return 1;
	}
	if (argc == 3) {
		warnx("Invalid argument: `peer' needs a public key");
		return 1;
	}
	if (too_many(argc, argv, 3))
		return 1;
	if (one_peer && !key_from_text(key, argv[3], strlen(argv[3]))) {
		warnx("Key is not the correct length or format: `%s'", argv[3]);
		return 1;
	}
	return kernel_reset(argv[1], one_peer ? key : NULL) ? 1 : 0;
}
