// SPDX-License-Identifier: GPL-2.0
/* Copies files that are compressed or can't be read twice, to temporary files without a name. */
#define _GNU_SOURCE
#include "copy.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* clang-format off */
static const struct format {
	uint8_t len;
	char magic[MAGIC_MAX + 1];
	const char *decompressor;
} formats[] = {
	{ 4, "\x0a\x0d\x0d\x0a", NULL }, /* pcapng */
	{ 4, "\xa1\xb2\xc3\xd4", NULL }, /* pcap */
	{ 4, "\xd4\xc3\xb2\xa1", NULL },
	{ 4, "\xa1\xb2\x3c\x4d", NULL }, /* with nanoseconds */
	{ 4, "\x4d\x3c\xb2\xa1", NULL },
	{ 4, "\xa1\xb2\xcd\x34", NULL }, /* with longer packet headers */
	{ 4, "\x34\xcd\xb2\xa1", NULL },
	{ 2, "\x1f\x8b", "gzip" },
	{ 4, "\x28\xb5\x2f\xfd", "zstd" },
	{ 6, "\xfd\x37zXZ\0", "xz" },
	{ 3, "BZh", "bzip2" },
	{ 4, "\x04\x22\x4d\x18", "lz4" },
};

/* clang-format on */

static const char empty[] = "empty file";
static char message[256];

static const struct format *find_format(const uint8_t *magic, size_t len)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++)
		if (len >= formats[i].len && !memcmp(magic, formats[i].magic, formats[i].len))
			return &formats[i];
	return NULL;
}

const char *copy_decompressor(const uint8_t *magic, size_t len)
{
	const struct format *format = find_format(magic, len);

	return format ? format->decompressor : NULL;
}

static int nameless_file(const char **error)
{
	const char *folder = getenv("TMPDIR");
	char *name;
	int fd;

	if (!folder || !*folder)
		folder = "/var/tmp";
	if (asprintf(&name, "%s/fwg-audit.XXXXXX", folder) < 0) {
		*error = "out of memory";
		return -1;
	}
	fd = mkostemp(name, O_CLOEXEC);
	if (fd < 0) {
		snprintf(message, sizeof(message), "cannot make a copy of it in %s: %s", folder,
			 strerror(errno));
		*error = message;
	} else {
		unlink(name);
	}
	free(name);
	return fd;
}

static bool write_all(int fd, const uint8_t *p, size_t len)
{
	for (ssize_t n; len; p += n, len -= n) {
		n = write(fd, p, len);
		if (n < 0)
			return false;
	}
	return true;
}

/* Reads until there are @size bytes, or no more. */
static ssize_t read_all(int fd, uint8_t *p, size_t size)
{
	size_t len = 0;
	ssize_t n;

	do {
		n = read(fd, p + len, size - len);
		if (n < 0)
			return -1;
		len += n;
	} while (n && len < size);
	return len;
}

/* Stops at once if it is not a capture: it may have no end. */
static int spool(int from, bool decompressed, const char **error)
{
	const struct format *format = NULL;
	static uint8_t block[1 << 16];
	const char *failed = NULL;
	ssize_t len;
	int to = -1;

	*error = NULL;
	while ((len = read_all(from, block, sizeof(block)))) {
		if (len < 0) {
			failed = "cannot read it";
			break;
		}
		if (!format) {
			format = find_format(block, len);
			if (!format || (decompressed && format->decompressor)) {
				*error = "neither pcap nor pcapng";
				return -1;
			}
			to = nameless_file(error);
			if (to < 0)
				return -1;
		}
		if (!write_all(to, block, len)) {
			failed = "cannot make a copy of it";
			break;
		}
	}
	if (failed) {
		snprintf(message, sizeof(message), "%s: %s", failed, strerror(errno));
		*error = message;
	} else if (!format) {
		*error = empty;
	}
	return to;
}

int copy_stream(int from, const char **error)
{
	return spool(from, false, error);
}

/* Runs @program with its messages discarded: they would not name the capture. */
static int start(const char *program, int from, int to, pid_t *pid)
{
	char *const arguments[] = { (char *)program, "-dc", NULL };
	posix_spawn_file_actions_t files;
	int failed;

	failed = posix_spawn_file_actions_init(&files);
	if (failed)
		return failed;
	failed = posix_spawn_file_actions_adddup2(&files, from, STDIN_FILENO);
	if (!failed)
		failed = posix_spawn_file_actions_adddup2(&files, to, STDOUT_FILENO);
	if (!failed)
		failed = posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null",
							  O_WRONLY, 0);
	if (!failed)
		failed = posix_spawnp(pid, program, &files, NULL, arguments, environ);
	posix_spawn_file_actions_destroy(&files);
	return failed;
}

int copy_decompressed(int from, const char *program, const char **error)
{
	int ends[2], failed, status, to;
	pid_t pid;

	if (lseek(from, 0, SEEK_SET) < 0 || pipe2(ends, O_CLOEXEC) < 0) {
		*error = strerror(errno);
		return -1;
	}
	failed = start(program, from, ends[1], &pid);
	close(ends[1]);
	if (failed) {
		snprintf(message, sizeof(message), "compressed, and %s cannot be run: %s", program,
			 strerror(failed));
		*error = message;
		close(ends[0]);
		return -1;
	}
	to = spool(ends[0], true, error);
	close(ends[0]);
	/* If copying stopped early, the program failed because its pipe broke. */
	if ((waitpid(pid, &status, 0) != pid || status) && (!*error || *error == empty)) {
		snprintf(message, sizeof(message), "%s cannot decompress %s of it", program,
			 *error ? "any" : "all");
		*error = message;
	}
	return to;
}
