// SPDX-License-Identifier: GPL-2.0
/*
 * Preloaded into fwg, makes its messages to the kernel invalid, because fwg sends only valid ones:
 * the prefix of 10.66.66.66 gets a length of 99 bits, and the peer whose key begins with 0c 30 c3
 * gets no key.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
#include <sys/socket.h>

ssize_t sendto(int fd, const void *message, size_t len, int flags, const struct sockaddr *to,
	       socklen_t to_len)
{
	ssize_t (*send)(int fd, const void *message, size_t len, int flags,
			const struct sockaddr *to, socklen_t to_len) = dlsym(RTLD_NEXT, "sendto");
	char *address = memmem(message, len, "\x0a\x42\x42\x42", 4);
	char *key = memmem(message, len, "\x0c\x30\xc3", 3);

	/* After the address, the header of an attribute and the length follow. */
	if (address)
		address[8] = 99;
	/* The type is before the key. */
	if (key)
		key[-2] = 2;
	return send(fd, message, len, flags, to, to_len);
}
