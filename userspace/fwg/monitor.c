// SPDX-License-Identifier: GPL-2.0
/* `fwg monitor`: prints a line for each reset as it happens. */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "commands.h"
#include "device_json.h"
#include "json.h"
#include "kernel.h"
#include "text.h"

#define TIME_TEXT_SIZE sizeof("2038-01-19T03:14:07.000000Z")

/* Events carry no time, so the time of receipt is printed. */
static unsigned int get_time(time_t *sec)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	*sec = now.tv_sec;
	return (unsigned int)now.tv_nsec / 1000 % 1000000;
}

/* UTC, to the microsecond. */
static void time_text(char text[TIME_TEXT_SIZE])
{
	time_t sec;
	const unsigned int us = get_time(&sec);
	struct tm tm;
	size_t len;

	gmtime_r(&sec, &tm);
	len = strftime(text, TIME_TEXT_SIZE, "%FT%T", &tm);
	snprintf(text + len, TIME_TEXT_SIZE - len, ".%06uZ", us);
}

/* Flushes the line at once. If that fails, the caller stops, and main() reports it. */
static int deliver(void)
{
	return fflush(stdout);
}

static int print_line(const struct event *event)
{
	char now[TIME_TEXT_SIZE], tag[TAG_TEXT_SIZE], key[KEY_TEXT_SIZE];

	time_text(now);
	printf("%s %s: reset, cause %s, peers %" PRIu32 ", generation %s, forks %" PRIu64, now,
	       event->name, cause_word(event->cause), event->peers,
	       tag_text(tag, &event->generation), event->generation.forks);
	if (event->has_peer) {
		key_to_text(key, event->peer);
		printf(", peer %s", key);
	}
	putchar('\n');
	return deliver();
}

static int print_json(const struct event *event)
{
	char key[KEY_TEXT_SIZE];
	time_t sec;
	const unsigned int us = get_time(&sec);

	json_open(NULL, '{');
	json_time("time", sec, us);
	json_string("interface", event->name);
	json_string("cause", cause_word(event->cause));
	json_number("peers", event->peers);
	if (event->has_peer) {
		key_to_text(key, event->peer);
		json_string("peer", key);
	}
	json_open("generation", '{');
	generation_json(&event->generation);
	json_close('}');
	json_close('}');
	json_end();
	return deliver();
}

int cmd_monitor(int argc, char *argv[])
{
	const bool json = take_json(&argc, argv);

	if (too_many(argc, argv, 0))
		return 1;
	return kernel_watch(json ? print_json : print_line) ? 1 : 0;
}
