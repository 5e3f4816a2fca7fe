// SPDX-License-Identifier: GPL-2.0
/*
 * Preloaded into fwg, pauses it in the middle of a dump: creates the file "paused" and continues
 * when the file "go" exists.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

/* After the two messages in answer to the request for the family, and the dump's first. */
#define PAUSE_BEFORE_MESSAGE 4

ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	ssize_t (*receive)(int fd, struct msghdr *msg, int flags) = dlsym(RTLD_NEXT, "recvmsg");
	static int messages;

	if (++messages == PAUSE_BEFORE_MESSAGE) {
		close(open("paused", O_CREAT | O_WRONLY, 0600));
		while (access("go", F_OK))
			usleep(10000);
	}
	return receive(fd, msg, flags);
}
