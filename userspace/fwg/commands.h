/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The subcommands: each gets its own name in argv[0] and returns the exit
 * status. What goes wrong is said in one line on stderr.
 */
#ifndef FWG_COMMANDS_H
#define FWG_COMMANDS_H

#include <stdbool.h>

int cmd_show(int argc, char *argv[]);
int cmd_showconf(int argc, char *argv[]);
int cmd_set(int argc, char *argv[]);
int cmd_setconf(int argc, char *argv[]);
int cmd_addconf(int argc, char *argv[]);
int cmd_syncconf(int argc, char *argv[]);
int cmd_reset(int argc, char *argv[]);
int cmd_generation(int argc, char *argv[]);
int cmd_monitor(int argc, char *argv[]);
int cmd_genkey(int argc, char *argv[]);
int cmd_genpsk(int argc, char *argv[]);
int cmd_pubkey(int argc, char *argv[]);

/* Takes --json off the arguments, wherever it stands; was it there? */
bool take_json(int *argc, char *argv[]);

/* Complains of the first argument after the @most that make sense, if any. */
bool too_many(int argc, char *argv[], int most);

/* False, after a message, for what no interface can be called. */
bool valid_interface(const char *name);

#endif
