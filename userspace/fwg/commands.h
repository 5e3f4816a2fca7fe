/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The commands. Each gets its own name in argv[0], reports an error in one line
 * on stderr, and returns the exit status.
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

/* Removes --json from the arguments; returns whether it was among them. */
bool take_json(int *argc, char *argv[]);

/* Returns true, after a message, if there are more than @most arguments. */
bool too_many(int argc, char *argv[], int most);

/* Returns false, after a message, if no interface can have this name. */
bool valid_interface(const char *name);

#endif
