// SPDX-License-Identifier: GPL-2.0
/* Capture files. Each is read several times and must not change meanwhile. */
#define _GNU_SOURCE
#include "capture.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pcap/pcap.h>
#include <string.h>
#include <unistd.h>

#include "bytes.h"
#include "copy.h"
#include "pcapng.h"

static const char changed[] = "changed while it was being read";

static bool same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* The result is valid until the next call. */
const char *capture_link_name(int link)
{
	const char *name = pcap_datalink_val_to_name(link);
	static char text[64];

	if (name)
		snprintf(text, sizeof(text), "%d (%s)", link, name);
	else
		snprintf(text, sizeof(text), "%d", link);
	return text;
}

static bool is_stdin(const struct capture *capture)
{
	return !strcmp(capture->name, "-");
}

/* Looks at the file without opening it: opening some devices has effects. */
const char *capture_identify(struct capture *capture)
{
	if ((is_stdin(capture) ? fstat(STDIN_FILENO, &capture->named) :
				 stat(capture->name, &capture->named)) < 0)
		return strerror(errno);
	if (S_ISDIR(capture->named.st_mode))
		return strerror(EISDIR);
	if (S_ISCHR(capture->named.st_mode) || S_ISBLK(capture->named.st_mode))
		return "a device, not a capture";
	return NULL;
}

/* Replaces the open file by a copy if it can't be read twice or is compressed. */
static int replace_by_copy(struct capture *capture, int fd, const char **error)
{
	const char *program;
	uint8_t magic[MAGIC_MAX];
	ssize_t len;

	*error = NULL;
	if (!S_ISREG(capture->named.st_mode)) {
		capture->copy = copy_stream(fd, error);
		close(fd);
		fd = capture->copy;
		if (*error)
			return fd;
	}
	len = pread(fd, magic, sizeof(magic), 0);
	if (len <= 0) {
		*error = len ? strerror(errno) : "empty file";
		close(fd);
		return -1;
	}
	program = copy_decompressor(magic, len);
	if (program) {
		capture->copy = copy_decompressed(fd, program, error);
		close(fd);
		fd = capture->copy;
	}
	return fd;
}

/* Even after an error, the capture may be open and have something to read. */
const char *capture_open(struct capture *capture)
{
	const char *error;
	int fd;

	capture->copy = -1;
	fd = is_stdin(capture) ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) :
				 open(capture->name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return strerror(errno);
	fd = replace_by_copy(capture, fd, &error);
	if (fd < 0)
		return error;
	capture->opened = !fstat(fd, &capture->stat);
	if (is_stdin(capture))
		capture->copy = fd;
	if (capture->copy < 0)
		close(fd);
	return error;
}

static FILE *reopen(const struct capture *capture, const char **error)
{
	int fd = capture->copy >= 0 ? fcntl(capture->copy, F_DUPFD_CLOEXEC, 0) :
				      open(capture->name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	FILE *file = NULL;
	struct stat stat;

	if (fd >= 0 && !fstat(fd, &stat) && !same(&capture->stat, &stat)) {
		*error = changed;
	} else {
		if (fd >= 0 && (capture->copy < 0 || !lseek(fd, 0, SEEK_SET)))
			file = fdopen(fd, "rb");
		if (!file)
			*error = strerror(errno);
	}
	if (!file && fd >= 0)
		close(fd);
	return file;
}

/* One reading of a capture: pcapng with our own reader, pcap with libpcap. */
struct reader {
	FILE *file;
	pcap_t *pcap;
	struct pcapng ng;
	unsigned long long packets;
};

static const char *reader_begin(struct reader *reader, char buffer[PCAP_ERRBUF_SIZE])
{
	uint8_t magic[4];
	size_t len = fread(magic, 1, sizeof(magic), reader->file);

	rewind(reader->file);
	if (len == sizeof(magic) && get_be32(magic) == PCAPNG_MAGIC) {
		reader->ng.file = reader->file;
		return NULL;
	}
	/* If this succeeds, libpcap will close the file. */
	reader->pcap = pcap_fopen_offline(reader->file, buffer);
	return reader->pcap ? NULL : buffer;
}

static int reader_next(struct reader *reader, struct frame *frame)
{
	struct pcap_pkthdr *header;
	const u_char *p;
	int status;

	if (!reader->pcap)
		return pcapng_next(&reader->ng, frame);
	status = pcap_next_ex(reader->pcap, &header, &p);
	if (status != 1)
		return status == PCAP_ERROR_BREAK ? 0 : -1;
	frame->link = pcap_datalink(reader->pcap);
	frame->packet = ++reader->packets;
	frame->time = header->ts.tv_sec;
	frame->bytes = (struct view){ p, header->caplen, header->len };
	return 1;
}

static const char *visit_all(struct reader *reader, unsigned long long packets,
			     capture_visitor *visit, void *context, char buffer[PCAP_ERRBUF_SIZE])
{
	struct frame frame;
	int status;

	for (unsigned long long n = 0; n < packets; n++) {
		status = reader_next(reader, &frame);
		if (!status)
			return packets == ULLONG_MAX ? NULL : changed;
		if (status < 0) {
			snprintf(buffer, PCAP_ERRBUF_SIZE, "%s",
				 reader->pcap ? pcap_geterr(reader->pcap) : reader->ng.error);
			return buffer;
		}
		if (frame.bytes.len < frame.bytes.have)
			frame.bytes.len = frame.bytes.have;
		if (!visit(context, &frame))
			break;
	}
	return NULL;
}

/* Visits the first @packets packets; all if that is ULLONG_MAX. */
const char *capture_read(struct capture *capture, unsigned long long packets,
			 capture_visitor *visit, void *context)
{
	static char buffer[PCAP_ERRBUF_SIZE];
	struct reader reader = { 0 };
	const char *error;
	struct stat stat;

	reader.file = reopen(capture, &error);
	if (!reader.file)
		return error;
	error = reader_begin(&reader, buffer);
	if (!error)
		error = visit_all(&reader, packets, visit, context, buffer);
	if (!error && (fstat(fileno(reader.file), &stat) < 0 || !same(&capture->stat, &stat)))
		error = changed;
	pcapng_end(&reader.ng);
	if (reader.pcap)
		pcap_close(reader.pcap);
	else
		fclose(reader.file);
	return error;
}
