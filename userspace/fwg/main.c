// SPDX-License-Identifier: GPL-2.0
/* Finds and runs the command; also the functions that all commands share. */
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
	  "Shows configuration, traffic and fork detection" },
	{ "set", cmd_set,
	  " INTERFACE [listen-port PORT] [fwmark MARK] [private-key FILE] [peer KEY [remove] [preshared-key FILE] [endpoint HOST:PORT] [persistent-keepalive SECONDS] [allowed-ips [+|-]IP/CIDR,...]]...",
	  "Changes configuration" },
	{ "showconf", cmd_showconf, " [--json] INTERFACE",
	  "Prints the configuration, including secrets, as a file" },
	{ "setconf", cmd_setconf, " INTERFACE FILE",
	  "Replaces the configuration with that of a file" },
	{ "addconf", cmd_addconf, " INTERFACE FILE", "Adds the configuration of a file" },
	{ "syncconf", cmd_syncconf, " INTERFACE FILE",
	  "Like setconf, but changes only what differs" },
	{ "reset", cmd_reset, " INTERFACE [peer KEY]", "Wipes all sessions, as after a fork" },
	{ "generation", cmd_generation, " [--json] [--require packet | notifier]",
	  "Shows how forks of this machine are detected" },
	{ "monitor", cmd_monitor, " [--json]", "Prints each reset as it happens" },
	{ "genkey", cmd_genkey, " [--json]", "Prints a new private key" },
	{ "genpsk", cmd_genpsk, " [--json]", "Prints a new preshared key" },
	{ "pubkey", cmd_pubkey, " [--json]",
	  "Prints the public key of a private key read from standard input" },
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(*commands))

static bool is_help(const char *word)
{
	return !strcmp(word, "help") || !strcmp(word, "--help") || !strcmp(word, "-h");
}

static bool is_version(const char *word)
{
	return !strcmp(word, "version") || !strcmp(word, "--version") || !strcmp(word, "-v") ||
	       !strcmp(word, "-V");
}

/* Does one word for help follow the command, with nothing else but --json? */
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

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (!strcmp(name, commands[i].name))
			return &commands[i];
	warnx("Invalid subcommand: `%s' (see `fwg help')", name);
	return NULL;
}

static int print_usage(const struct command *command)
{
	printf("Usage: fwg %s%s\n\n%s.\n", command->name, command->arguments, command->purpose);
	return 0;
}

static int run_help(int argc, char *argv[])
{
	const struct command *command;

	take_json(&argc, argv);
	if (too_many(argc, argv, 1))
		return 1;
	if (argc > 1) {
		command = find_command(argv[1]);
		return command ? print_usage(command) : 1;
	}
	printf("Usage: fwg [COMMAND] [ARGUMENTS]\n\n"
	       "Without COMMAND, runs show. For details, see `fwg COMMAND --help' and fwg(8).\n\n");
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		printf("  %-12s%s\n", commands[i].name, commands[i].purpose);
	return 0;
}

static int run(int argc, char *argv[])
{
	const struct command *command;

	if (is_help(argv[0]))
		return run_help(argc, argv);
	if (is_version(argv[0])) {
		puts("fwg " VERSION);
		return 0;
	}
	command = find_command(argv[0]);
	if (!command)
		return 1;
	return asks_for_help(argc, argv) ? print_usage(command) : command->run(argc, argv);
}

/* --json before the command belongs to it, or to show if there is no command. */
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
	warnx("Unexpected argument: `%s'", argv[most + 1]);
	return true;
}

bool valid_interface(const char *name)
{
	if (*name && strlen(name) < IFNAMSIZ)
		return true;
	warnx("Unable to access interface `%s': No such device (not a valid name)", name);
	return false;
}

int main(int argc, char *argv[])
{
	/* Our own buffer, so that keys in it can be wiped. */
	static char output[BUFSIZ];
	int status;

	setvbuf(stdout, output, _IOFBF, sizeof(output));
	status = main_of(argc - 1, argv + 1);
	if (ferror(stdout) || fflush(stdout)) {
		warn("Unable to write output");
		status = 1;
	}
	explicit_bzero(output, sizeof(output));
	return status;
}
