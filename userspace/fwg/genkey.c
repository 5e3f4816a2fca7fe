// SPDX-License-Identifier: GPL-2.0
/* `fwg genkey` and `fwg genpsk`: print a new secret. */
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "key.h"

static void warn_of_others(void)
{
	struct stat st;

	if (!fstat(STDOUT_FILENO, &st) && S_ISREG(st.st_mode) && st.st_mode & 07)
		warnx("Warning: writing to world accessible file (consider umask 077)");
}

/* X25519 does this to a private key anyway. wg prints it clamped. */
static void clamp(uint8_t key[KEY_LEN])
{
	key[0] &= 0xf8;
	key[31] = (key[31] & 0x7f) | 0x40;
}

static int generate(int argc, char *argv[], bool private)
{
	const bool json = take_json(&argc, argv);
	uint8_t key[KEY_LEN];

	if (too_many(argc, argv, 0))
		return 1;
	warn_of_others();
	if (getentropy(key, sizeof(key))) {
		warn("Unable to get random bytes");
		return 1;
	}
	if (private)
		clamp(key);
	if (json)
		key_print_json(private ? "private_key" : "preshared_key", key);
	else
		key_print_line(key);
	explicit_bzero(key, sizeof(key));
	return 0;
}

int cmd_genkey(int argc, char *argv[])
{
	return generate(argc, argv, true);
}

int cmd_genpsk(int argc, char *argv[])
{
	return generate(argc, argv, false);
}
