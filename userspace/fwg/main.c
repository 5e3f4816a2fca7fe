// SPDX-License-Identifier: GPL-2.0
/* fwg: finds the subcommand, and what all subcommands share. */
#include <err.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"

#define VERSION "0.1"

static const struct command {
	const char *name;
	int (*run)(int argc, char *argv[]);
	const char *arguments;
	const char *purpose;
} commands[] = {
	{ "show", cmd_show, " [--json] [INTERFACE | all | interfaces] [FIELD]",
	  "Shows configuration, traffic and forks" },
	{ "set", cmd_set,
	  " INTERFACE [listen-port PORT] [fwmark MARK] [private-key FILE] [peer KEY [remove] [preshared-key FILE] [endpoint HOST:PORT] [persistent-keepalive SECONDS] [allowed-ips [+|-]IP/CIDR,...]]...",
	  "Changes configuration" },
	{ "showconf", cmd_showconf, " [--json] INTERFACE",
	  "Prints configuration, secrets too, as a file" },
	{ "setconf", cmd_setconf, " INTERFACE FILE", "Configures as a file says" },
	{ "addconf", cmd_addconf, " INTERFACE FILE", "Adds what a file says" },
	{ "syncconf", cmd_syncconf, " INTERFACE FILE", "Like setconf, but keeps sessions alive" },
	{ "reset", cmd_reset, " INTERFACE [peer KEY]",
	  "Wipes sessions as a fork would; peers handshake anew" },
	{ "generation", cmd_generation, " [--json]",
	  "Shows how forks of this machine are detected" },
	{ "monitor", cmd_monitor, " [--json]", "Prints each reset as it happens" },
	{ "genkey", cmd_genkey, " [--json]", "Prints a new private key" },
	{ "genpsk", cmd_genpsk, " [--json]", "Prints a new preshared key" },
	{ "pubkey", cmd_pubkey, " [--json]",
	  "Reads a private key from stdin, prints its public key" },
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(*commands))

static bool is_help(const char *word)
{
	return !strcmp(word, "help") || !strcmp(word, "--help") || !strcmp(word, "-h");
}

static bool is_version(const char *word)
{
	return !strcmp(word, "version") || !strcmp(word, "--version") || !strcmp(word, "-v");
}

/* -h is all that follows the command, but for --json. */
static bool asks_for_help(int argc, char *argv[])
{
	bool asks = false;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--json"))
			continue;
		if (asks || !is_help(argv[i]))
			return false;
		asks = true;
	}
	return asks;
}

static int help(void)
{
	printf("Usage: fwg [COMMAND] [ARGUMENTS]\n\n"
	       "Without a command: show. What may follow one: fwg COMMAND -h. See fwg(8).\n\n");
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		printf("  %-12s%s\n", commands[i].name, commands[i].purpose);
	return 0;
}

static int run(int argc, char *argv[])
{
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		const struct command *command = &commands[i];

		if (strcmp(argv[0], command->name))
			continue;
		if (asks_for_help(argc, argv)) {
			printf("Usage: fwg %s%s\n", command->name, command->arguments);
			return 0;
		}
		return command->run(argc, argv);
	}
	if (is_help(argv[0]))
		return help();
	if (is_version(argv[0])) {
		puts("fwg " VERSION);
		return 0;
	}
	warnx("Invalid subcommand: `%s' (try `fwg help')", argv[0]);
	return 1;
}

/* --json belongs to the command behind it; with none, to show. */
static int main_of(int argc, char *argv[])
{
	const bool json = argc > 0 && !strcmp(argv[0], "--json");

	if (argc <= json)
		return cmd_show(argc + 1, argv - 1);
	if (json) {
		memmove(&argv[0], &argv[1], (argc - 1) * sizeof(*argv));
		argv[argc - 1] = "--json";
	}
	return run(argc, argv);
}

bool take_json(int *argc, char *argv[])
{
	for (int i = 1; i < *argc; i++) {
		if (strcmp(argv[i], "--json"))
			continue;
		memmove(&argv[i], &argv[i + 1], (*argc - i) * sizeof(*argv));
		--*argc;
		return true;
	}
	return false;
}

bool too_many(int argc, char *argv[], int most)
{
	if (argc <= most + 1)
		return false;
	warnx("Invalid argument: `%s' is one word too many for %s", argv[most + 1], argv[0]);
	return true;
}

bool valid_interface(const char *name)
{
	if (*name && strlen(name) < IFNAMSIZ)
		return true;
	warnx("Unable to access interface `%s': No such device (none can have this name)", name);
	return false;
}

int main(int argc, char *argv[])
{
	/* Our own, so that the keys which go through it can be wiped. */
	static char output[BUFSIZ];
	int status;

	setvbuf(stdout, output, _IOFBF, sizeof(output));
	status = main_of(argc - 1, argv + 1);
	if (ferror(stdout) || fflush(stdout)) {
		warn("Unable to write the output");
		status = 1;
	}
	explicit_bzero(output, sizeof(output));
	return status;
}
