// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzzes the kernel's answers to fwg: the first byte of the input selects the
 * command, the rest is the answer to all its requests.
 */
#include <stdlib.h>
#include <string.h>

#include "../../userspace/fwg/commands.h"
#include "../../userspace/fwg/kernel.h"

#include "config_oracle.h"
#include "config_world.h"
#include "harness.h"

/* The maximum number of words in a command, with the NULL at its end. */
#define WORDS 6

typedef int command(int argc, char *argv[]);

static int cmd_get(int argc, char *argv[])
{
	struct device dev = { 0 };
	int ret = kernel_get_device("fwg0", &dev);

	(void)argc;
	(void)argv;
	if (!ret) {
		EXPECT(memchr(dev.name, '\0', sizeof(dev.name)));
		expect_shown(&dev);
	}
	device_clear(&dev);
	return ret ? 1 : 0;
}

static const struct {
	command *run;
	const char *words[WORDS];
} commands[] = {
	{ cmd_get, { "get" } },
	{ cmd_show, { "show", "fwg0" } },
	{ cmd_show, { "show", "fwg0", "--json" } },
	{ cmd_show, { "show", "fwg0", "dump" } },
	{ cmd_show, { "show", "fwg0", "endpoints", "--json" } },
	{ cmd_show, { "show" } },
	{ cmd_show, { "show", "--json" } },
	{ cmd_show, { "show", "all", "allowed-ips" } },
	{ cmd_show, { "show", "interfaces" } },
	{ cmd_show, { "show", "interfaces", "--json" } },
	{ cmd_generation, { "generation" } },
	{ cmd_generation, { "generation", "--json" } },
	{ cmd_monitor, { "monitor" } },
	{ cmd_monitor, { "monitor", "--json" } },
	{ cmd_reset, { "reset", "fwg0" } },
	{ cmd_set, { "set", "fwg0", "fwmark", "1" } },
	{ cmd_syncconf, { "syncconf", "fwg0", "FILE" } },
	{ cmd_generation, { "generation", "--require", "packet" } },
};

#define COUNT (sizeof(commands) / sizeof(*commands))

static const char file[] = "[Interface]\nListenPort = 1\n"
			   "[Peer]\nPublicKey = xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=\n"
			   "[Peer]\nPublicKey = TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=\n";

__attribute__((constructor)) static void show_everything(void)
{
	setenv("WG_HIDE_KEYS", "never", 1);
	setenv("WG_COLOR_MODE", "always", 1);
}

/* With --json, the output must be JSON, of the expected number of lines. */
static void expect_output(command *run, bool json, bool failed)
{
	unsigned int lines;

	if (!json)
		return;
	lines = expect_json();
	if (run == cmd_show)
		EXPECT(lines == 1);
	if (run == cmd_generation)
		EXPECT(lines == !failed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const unsigned int choice = size ? data[0] & 0x1f : COUNT;
	char *words[WORDS] = { 0 };
	bool failed, json = false;
	int count = 0;

	if (choice >= COUNT)
		return -1;
	for (; commands[choice].words[count]; count++) {
		words[count] = (char *)commands[choice].words[count];
		json |= !strcmp(words[count], "--json");
	}
	caught_forget(&output);
	caught_forget(&complaints);
	world = (struct world){
		.file = { (const uint8_t *)file, sizeof(file) - 1 },
		.answer = { data + 1, size - 1 },
		.all_at_once = data[0] & 0x40,
		.asks_family = data[0] & 0x80,
	};

	failed = commands[choice].run(count, words);
	/* `show' of several interfaces shows the others if one fails. */
	if (failed || commands[choice].run != cmd_show)
		expect_complaint(failed);
	expect_output(commands[choice].run, json, failed);
	return 0;
}
