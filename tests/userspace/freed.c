// SPDX-License-Identifier: GPL-2.0
/*
 * Preloaded into fwg, ends it with status 66 if it frees memory that has a secret. The file SECRETS
 * has the secrets, 16 bytes each.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void __libc_free(void *p);
void *__libc_realloc(void *p, size_t size);

static char secrets[16][16];
static ssize_t size;

__attribute__((constructor)) static void read_secrets(void)
{
	int fd = open(getenv("SECRETS"), O_RDONLY);

	size = read(fd, secrets, sizeof(secrets));
	close(fd);
	if (size < (ssize_t)sizeof(*secrets))
		_exit(67);
}

static void look_into(const void *p)
{
	for (ssize_t i = 0; p && i < size / (ssize_t)sizeof(*secrets); i++)
		if (memmem(p, malloc_usable_size((void *)p), secrets[i], sizeof(*secrets)))
			_exit(66);
}

void free(void *p)
{
	look_into(p);
	__libc_free(p);
}

/* realloc() may move the data, and free the old memory. */
void *realloc(void *p, size_t new_size)
{
	look_into(p);
	return __libc_realloc(p, new_size);
}
