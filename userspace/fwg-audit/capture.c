// SPDX-License-Identifier: GPL-2.0
/* Capture files: regular files, read several times, that must not change meanwhile. */
#include "capture.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pcap/pcap.h>
#include <string.h>
#include <unistd.h>

static const char changed[] = "changed while it was being read";

static bool same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Returns NULL with *@error set if the file is not one to read, or not what it was. */
static FILE *open_regular(struct capture *capture, const char **error)
{
	/* Opening a FIFO must not wait for its writer. */
	int fd = open(capture->name, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	FILE *file = NULL;
	struct stat stat;

	*error = NULL;
	if (fd < 0 || fstat(fd, &stat) < 0)
		*error = strerror(errno);
	else if (!S_ISREG(stat.st_mode))
		*error = "not a regular file";
	else if (!stat.st_size)
		*error = "empty file";
	else if (capture->opened && !same(&capture->stat, &stat))
		*error = changed;
	if (!*error) {
		file = fdopen(fd, "rb");
		if (!file)
			*error = strerror(errno);
	}
	if (!file) {
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	capture->stat = stat;
	capture->opened = true;
	return file;
}

static const char *visit_all(pcap_t *pcap, unsigned long long packets, capture_visitor *visit,
			     void *context, char *buffer)
{
	int link = pcap_datalink(pcap), status;
	struct pcap_pkthdr *header;
	const char *name;
	const u_char *p;

	if (!packet_link_known(link)) {
		name = pcap_datalink_val_to_name(link);
		snprintf(buffer, PCAP_ERRBUF_SIZE, "link type %s is not supported",
			 name ? name : "of an unknown number");
		return buffer;
	}
	for (unsigned long long n = 1; n <= packets; n++) {
		status = pcap_next_ex(pcap, &header, &p);
		if (status == PCAP_ERROR_BREAK)
			return packets == ULLONG_MAX ? NULL : changed;
		if (status != 1) {
			snprintf(buffer, PCAP_ERRBUF_SIZE, "%s", pcap_geterr(pcap));
			return buffer;
		}
		if (!visit(context, link, n,
			   (struct view){ p, header->caplen,
					  header->len < header->caplen ? header->caplen :
									 header->len }))
			break;
	}
	return NULL;
}

/*
 * Visits the first @packets packets, ULLONG_MAX for all there are. Returns NULL
 * or what went wrong, valid until the next call.
 */
const char *capture_read(struct capture *capture, unsigned long long packets,
			 capture_visitor *visit, void *context)
{
	static char buffer[PCAP_ERRBUF_SIZE];
	const char *error;
	struct stat stat;
	pcap_t *pcap;
	FILE *file;

	file = open_regular(capture, &error);
	if (!file)
		return error;
	pcap = pcap_fopen_offline(file, buffer);
	if (!pcap) {
		fclose(file);
		return buffer;
	}
	error = visit_all(pcap, packets, visit, context, buffer);
	if (!error && (fstat(fileno(file), &stat) < 0 || !same(&capture->stat, &stat)))
		error = changed;
	pcap_close(pcap);
	return error;
}
