// SPDX-License-Identifier: GPL-2.0
/* fwg-audit: finds every nonce that captures of WireGuard traffic show twice. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>

#include "report.h"

#define VERSION "0.1"
#define MEMORY_DEFAULT 256
#define MEMORY_MAX 1048576

enum {
	EXIT_CLEAN,
	EXIT_REUSE,
	EXIT_INCONCLUSIVE,
};

static const char usage[] =
	"Usage: fwg-audit [--json | --quiet] [--memory MIB] CAPTURE...\n"
	"Reports every nonce reuse between and within pcap or pcapng files of WireGuard\n"
	"or forkguard traffic.\n"
	"\n"
	"  -j, --json         report as one JSON document\n"
	"  -q, --quiet        print only the verdict: clean, reuse or inconclusive\n"
	"  -m, --memory MIB   room for the table of messages (default 256); if it is too\n"
	"                     little, the files are read several times\n"
	"  -h, --help         print this\n"
	"  -V, --version      print the version\n"
	"\n"
	"Exit status: 0 no reuse; 1 reuse; 2 an error, or nothing to judge.\n";

static noreturn void refuse(const char *what, const char *word)
{
	fprintf(stderr, "fwg-audit: %s%s%s\n", what, word ? ": " : "", word ? word : "");
	exit(EXIT_INCONCLUSIVE);
}

static size_t mebibytes(const char *word)
{
	unsigned long mib;
	char *end;

	errno = 0;
	mib = strtoul(word, &end, 10);
	if (errno || *word < '0' || *word > '9' || *end || !mib || mib > MEMORY_MAX)
		refuse("not a number of MiB from 1 to 1048576", word);
	return mib << 20;
}

/* Output may be buffered until the very end, and a lost report must not look like a pass. */
static bool flushed(void)
{
	return !fflush(stdout) && !ferror(stdout);
}

/* clang-format off */
static const struct option options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "memory", required_argument, NULL, 'm' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{},
};

/* clang-format on */

int main(int argc, char **argv)
{
	static struct audit audit;
	size_t memory = (size_t)MEMORY_DEFAULT << 20;
	bool json = false, quiet = false;
	int option;

	while ((option = getopt_long(argc, argv, "jqm:hV", options, NULL)) != -1) {
		switch (option) {
		case 'j':
			json = true;
			break;
		case 'q':
			quiet = true;
			break;
		case 'm':
			memory = mebibytes(optarg);
			break;
		case 'h':
			fputs(usage, stdout);
			return flushed() ? EXIT_CLEAN : EXIT_INCONCLUSIVE;
		case 'V':
			puts("fwg-audit " VERSION);
			return flushed() ? EXIT_CLEAN : EXIT_INCONCLUSIVE;
		default:
			return EXIT_INCONCLUSIVE;
		}
	}
	if (json && quiet)
		refuse("--json and --quiet exclude each other", NULL);
	if (optind == argc)
		refuse("no capture given; try --help", NULL);
	if (argc - optind > FILES_MAX)
		refuse("more than 32767 captures", NULL);

	audit.files = argc - optind;
	audit.captures = calloc(audit.files, sizeof(*audit.captures));
	if (!audit.captures)
		die_of_memory();
	for (size_t i = 0; i < audit.files; i++)
		audit.captures[i].name = argv[optind + i];

	audit_run(&audit, memory);

	if (json)
		report_json(&audit);
	else if (quiet)
		puts(report_verdict(&audit));
	else
		report_text(&audit);
	if (!flushed())
		complain(&audit.complaints, "cannot write the report: %s", strerror(errno));

	if (audit.reuses.total)
		return EXIT_REUSE;
	return audit.complaints.count ? EXIT_INCONCLUSIVE : EXIT_CLEAN;
}
