// SPDX-License-Identifier: GPL-2.0
/* The audit itself: a survey of all captures, then as many judging passes as needed. */
#include "audit.h"

#include <limits.h>
#include <string.h>

/* One reading of one capture. */
struct reading {
	struct audit *audit;
	uint32_t file;
	bool full;
};

typedef void message_visitor(struct reading *reading, const struct message *m,
			     unsigned long long packet, size_t offset);

/* Hands on the messages in a frame. Returns CARRIES, or what became of it. */
static enum fate messages_in(struct reading *reading, int link, unsigned long long packet,
			     struct view frame, message_visitor *visit)
{
	size_t stride, offset = 0;
	struct view payload, one;
	struct message m;
	enum fate fate;

	fate = packet_payload(link, frame, &payload);
	if (fate != CARRIES)
		return fate;
	stride = message_stride(&payload);
	do {
		one = payload;
		one.p += offset;
		if (stride < payload.len) {
			one.len -= offset;
			if (one.len > stride)
				one.len = stride;
			one.have = one.len;
		}
		fate = message_parse(&one, &m);
		if (fate == OTHER && offset)
			fate = MALFORMED;
		if (fate != CARRIES)
			return fate;
		visit(reading, &m, packet, offset);
		offset += stride;
	} while (offset < payload.len);
	return CARRIES;
}

static void survey_message(struct reading *reading, const struct message *m,
			   unsigned long long packet, size_t offset)
{
	struct audit *audit = reading->audit;

	(void)packet;
	(void)offset;
	audit->captures[reading->file].messages++;
	audit->kinds[m->kind]++;
	audit->judged++;
	if (!sessions_survey(audit->sessions, m, reading->file))
		die_of_memory();
}

static bool survey_packet(void *context, int link, unsigned long long packet, struct view frame)
{
	struct reading *reading = context;
	struct capture *capture = &reading->audit->captures[reading->file];
	enum fate fate = messages_in(reading, link, packet, frame, survey_message);

	capture->packets = packet;
	if (fate == OTHER)
		capture->others++;
	else if (fate != CARRIES && !capture->unjudged[fate]++)
		capture->first_unjudged[fate] = packet;
	return true;
}

static void judge(struct reading *reading, const struct message *m, unsigned long long packet,
		  size_t offset)
{
	struct audit *audit = reading->audit;
	struct reuse reuse = {
		.kind = m->kind,
		.receiver = m->receiver,
		.counter = m->counter,
		.nonce_len = m->nonce_len,
		.b = { reading->file, packet },
		.offset = offset,
	};
	enum verdict verdict;

	verdict = judge_message(audit->judge, m, reuse.b, &reuse.a);
	if (verdict == FIRST || verdict == REUSE)
		sessions_distinct(audit->sessions, m);
	if (verdict == REUSE) {
		memcpy(reuse.nonce, m->nonce, m->nonce_len);
		if (!reuses_add(&audit->reuses, &reuse))
			die_of_memory();
	}
	reading->full |= verdict == FULL;
}

static bool judge_packet(void *context, int link, unsigned long long packet, struct view frame)
{
	struct reading *reading = context;

	messages_in(reading, link, packet, frame, judge);
	return !reading->full;
}

static void complain_of_unjudged(struct audit *audit, const struct capture *capture)
{
	static const char *const why[FATES] = {
		[FRAGMENT] = "fragmented",
		[CUT] = "cut short by the capture's snapshot length",
		[MALFORMED] = "malformed",
	};

	for (int fate = 0; fate < FATES; fate++)
		if (capture->unjudged[fate])
			complain(&audit->complaints,
				 "%s: cannot judge %llu packets that are %s, from packet %llu on",
				 capture->name, capture->unjudged[fate], why[fate],
				 capture->first_unjudged[fate]);
}

/* The copies of a machine are to be compared with one another: no file may come twice. */
static bool given_before(struct audit *audit, uint32_t file)
{
	const char *name = audit->captures[file].name;
	struct stat st;

	/* A file that is not there is for capture_read() to complain of. */
	if (stat(name, &st) < 0)
		return false;
	for (uint32_t i = 0; i < file; i++) {
		const struct capture *earlier = &audit->captures[i];

		if (earlier->opened && earlier->stat.st_dev == st.st_dev &&
		    earlier->stat.st_ino == st.st_ino) {
			complain(&audit->complaints, "%s: the same file as %s", name,
				 earlier->name);
			return true;
		}
	}
	return false;
}

static void survey(struct audit *audit)
{
	const char *error;

	for (uint32_t file = 0; file < audit->files; file++) {
		struct capture *capture = &audit->captures[file];
		struct reading reading = { .audit = audit, .file = file };

		if (given_before(audit, file))
			continue;
		error = capture_read(capture, ULLONG_MAX, survey_packet, &reading);
		if (error)
			complain(&audit->complaints, "%s: %s", capture->name, error);
		complain_of_unjudged(audit, capture);
	}
}

static bool judge_all(struct audit *audit)
{
	const char *error;

	for (uint32_t file = 0; file < audit->files; file++) {
		struct capture *capture = &audit->captures[file];
		struct reading reading = { .audit = audit, .file = file };

		if (!capture->messages)
			continue;
		error = capture_read(capture, capture->packets, judge_packet, &reading);
		if (reading.full) {
			complain(&audit->complaints,
				 "too many ciphertexts under one nonce for this --memory");
			return false;
		}
		if (error) {
			complain(&audit->complaints, "%s: %s", capture->name, error);
			return false;
		}
	}
	return true;
}

void audit_run(struct audit *audit, size_t memory)
{
	unsigned int passes;

	audit->sessions = sessions_new();
	if (!audit->sessions)
		die_of_memory();
	survey(audit);
	audit->judge = judge_new(memory, audit->judged);
	if (!audit->judge)
		die_of_memory();
	passes = audit->judged ? judge_passes(audit->judge) : 0;
	for (unsigned int pass = 0; pass < passes; pass++) {
		judge_pass(audit->judge, pass);
		if (!judge_all(audit))
			break;
	}
	reuses_sort(&audit->reuses);
	if (!audit->judged)
		complain(&audit->complaints, "nothing to judge: no tunnel messages");
}
