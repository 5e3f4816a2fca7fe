// SPDX-License-Identifier: GPL-2.0
/* `fwg pubkey`: prints the public key of a private key read from stdin. */
#include <err.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "commands.h"
#include "key.h"

int cmd_pubkey(int argc, char *argv[])
{
	const bool json = take_json(&argc, argv);
	uint8_t private[KEY_LEN], public[KEY_LEN];
	int ret;

	if (too_many(argc, argv, 0) || key_read(STDIN_FILENO, "stdin", false, private))
		return 1;
	/* This does not fail: the base point is not of small order. */
	ret = crypto_scalarmult_base(public, private);
	explicit_bzero(private, sizeof(private));
	if (ret) {
		warnx("Unable to compute the public key");
		return 1;
	}
	if (json)
		key_print_json("public_key", public);
	else
		key_print_line(public);
	return 0;
}
