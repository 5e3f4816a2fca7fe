// SPDX-License-Identifier: GPL-2.0
/*
 * Preloaded into fwg, stops it in the middle of a dump: makes the file "paused" and goes on when
 * there is a file "go".
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Before it come the two of the question for the family and the dump's first. */
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
