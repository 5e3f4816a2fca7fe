// SPDX-License-Identifier: GPL-2.0
/* A filter expression, in tcpdump's syntax, for packets of every link type. */
#include "filter.h"

#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>

#define SNAPLEN 262144

struct program {
	int link;
	struct bpf_program code;
};

struct filter {
	const char *expression;
	struct program *programs; /* one for each link type so far */
	size_t count;
};

struct filter *filter_new(const char *expression)
{
	struct filter *filter = calloc(1, sizeof(*filter));

	if (filter)
		filter->expression = expression;
	return filter;
}

static const char *compile(const char *expression, struct program *program)
{
	static char error[PCAP_ERRBUF_SIZE];
	pcap_t *pcap = pcap_open_dead(program->link, SNAPLEN);

	if (!pcap)
		return "out of memory";
	if (!pcap_compile(pcap, &program->code, expression, 1, PCAP_NETMASK_UNKNOWN)) {
		pcap_close(pcap);
		return NULL;
	}
	snprintf(error, sizeof(error), "%s", pcap_geterr(pcap));
	pcap_close(pcap);
	return error;
}

static const char *add_program(struct filter *filter, int link)
{
	struct program *list, program = { .link = link };
	const char *error = compile(filter->expression, &program);

	if (error)
		return error;
	list = realloc(filter->programs, (filter->count + 1) * sizeof(*list));
	if (!list)
		return "out of memory";
	list[filter->count++] = program;
	filter->programs = list;
	return NULL;
}

bool filter_passes(struct filter *filter, const struct frame *frame, const char **error)
{
	const struct pcap_pkthdr header = {
		.caplen = frame->bytes.have,
		.len = frame->bytes.len,
	};
	size_t i = 0;

	*error = NULL;
	if (!filter)
		return true;
	while (i < filter->count && filter->programs[i].link != frame->link)
		i++;
	if (i == filter->count) {
		*error = add_program(filter, frame->link);
		if (*error)
			return false;
	}
	return pcap_offline_filter(&filter->programs[i].code, &header, frame->bytes.p);
}
