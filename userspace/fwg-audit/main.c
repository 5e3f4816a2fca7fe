// SPDX-License-Identifier: GPL-2.0
/* fwg-audit: finds every nonce reuse in captures of WireGuard traffic. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "shown.h"

#define VERSION "0.1"
#define MEMORY_DEFAULT 256
#define MEMORY_MAX 1048576

enum {
	EXIT_CLEAN,
	EXIT_REUSE,
	EXIT_INCONCLUSIVE,
	EXIT_DOUBTFUL,
};

static const char usage[] =
	"Usage: fwg-audit [OPTION]... CAPTURE...\n"
	"Reports every nonce reuse between and within pcap or pcapng files of WireGuard\n"
	"or forkguard traffic. - is standard input; files may be compressed.\n"
	"\n"
	"  -a, --all          list all sessions and reuses, not only 50 of each\n"
	"  -f, --filter EXPR  judge only packets that match, such as 'udp port 51820'\n"
	"  -j, --json         report as one JSON document\n"
	"  -m, --memory MIB   room for the table of messages (default 256); if it is too\n"
	"                     little, the files are read several times\n"
	"  -q, --quiet        print only the verdict: clean, reuse, doubtful or\n"
	"                     inconclusive\n"
	"  -s, --strict       messages whose reserved bytes are not 0 are none\n"
	"  -h, --help         print this\n"
	"  -V, --version      print the version\n"
	"\n"
	"Exit status: 0 no reuse; 1 reuse; 2 an error, or nothing to judge; 3 perhaps a\n"
	"reuse, perhaps two sessions with one receiver index.\n";

static const char *shown_or_die(const char *word)
{
	const char *text = shown(word);

	if (!text)
		die_of_memory();
	return text;
}

static size_t mebibytes(const char *word)
{
	unsigned long mib;
	char *end;

	errno = 0;
	mib = strtoul(word, &end, 10);
	if (errno || *word < '0' || *word > '9' || *end || !mib || mib > MEMORY_MAX)
		die("not a number of MiB from 1 to 1048576: %s", shown_or_die(word));
	return mib << 20;
}

/* Output may be buffered until the end; a lost report must not look like a pass. */
static bool flushed(void)
{
	return !fflush(stdout) && !ferror(stdout);
}

/* clang-format off */
static const struct option options[] = {
	{ "all", no_argument, NULL, 'a' },
	{ "filter", required_argument, NULL, 'f' },
	{ "json", no_argument, NULL, 'j' },
	{ "memory", required_argument, NULL, 'm' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "strict", no_argument, NULL, 's' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{},
};

/* clang-format on */

/* Options that the audit itself need not know. */
struct wishes {
	size_t memory;
	bool all, json, quiet;
};

/* Returns an exit status if there is nothing more to do, else -1. */
static int read_options(int argc, char **argv, struct audit *audit, struct wishes *wishes)
{
	int option;

	while ((option = getopt_long(argc, argv, "af:jm:qshvV", options, NULL)) != -1) {
		switch (option) {
		case 'a':
			wishes->all = true;
			break;
		case 'f':
			audit->filter = filter_new(optarg);
			if (!audit->filter)
				die_of_memory();
			break;
		case 'j':
			wishes->json = true;
			break;
		case 'm':
			wishes->memory = mebibytes(optarg);
			break;
		case 'q':
			wishes->quiet = true;
			break;
		case 's':
			audit->strict = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return flushed() ? EXIT_CLEAN : EXIT_INCONCLUSIVE;
		case 'v':
		case 'V':
			puts("fwg-audit " VERSION);
			return flushed() ? EXIT_CLEAN : EXIT_INCONCLUSIVE;
		default:
			return EXIT_INCONCLUSIVE;
		}
	}
	if (wishes->json && wishes->quiet)
		die("--json and --quiet exclude each other");
	return -1;
}

static void read_names(struct audit *audit, char **names, size_t count)
{
	if (!count)
		die("no capture given; try --help");
	if (count > FILES_MAX)
		die("more than %d captures", FILES_MAX);
	audit->files = count;
	audit->captures = calloc(count, sizeof(*audit->captures));
	if (!audit->captures)
		die_of_memory();
	for (size_t i = 0; i < count; i++) {
		audit->captures[i].name = names[i];
		audit->captures[i].shown = shown_or_die(names[i]);
	}
}

int main(int argc, char **argv)
{
	struct wishes wishes = { .memory = (size_t)MEMORY_DEFAULT << 20 };
	static struct audit audit;
	int status = read_options(argc, argv, &audit, &wishes);

	if (status >= 0)
		return status;
	read_names(&audit, argv + optind, argc - optind);
	audit_run(&audit, wishes.memory);

	if (wishes.json)
		report_json(&audit);
	else if (wishes.quiet)
		puts(report_verdict(&audit));
	else
		report_text(&audit, wishes.all);
	if (!flushed())
		complain(&audit.complaints, "cannot write the report: %s", strerror(errno));

	if (audit.findings.reuses.total)
		return EXIT_REUSE;
	if (audit.findings.doubtful.total)
		return EXIT_DOUBTFUL;
	return audit.complaints.count ? EXIT_INCONCLUSIVE : EXIT_CLEAN;
}
