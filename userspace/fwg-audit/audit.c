// SPDX-License-Identifier: GPL-2.0
/*
 * The audit itself: a survey of all captures, then as many passes as needed to judge
 * them. If a reused receiver index may belong to several sessions, more passes follow.
 */
#include "audit.h"

#include <limits.h>
#include <string.h>

/* One reading of one capture, and the current place in it. */
struct reading {
	struct audit *audit;
	uint32_t file;
	const struct frame *frame;
	struct datagram datagram;
	size_t offset; /* of the message in the datagram */

	struct suspects *suspects; /* in the judging passes */
	struct handshakes *handshakes; /* in the passes that examine suspects */
	bool full; /* there is no room for more entries */
};

typedef void message_visitor(struct reading *reading, const struct message *m);

static bool filtered(const struct audit *audit, const struct frame *frame)
{
	const char *error;
	bool passes;

	if (!audit->filter || !packet_link_known(frame->link))
		return false;
	passes = filter_passes(audit->filter, frame, &error);
	if (error)
		die("bad filter for %s packets: %s", capture_link_name(frame->link), error);
	return !passes;
}

/* Visits the messages in a frame. Returns the frame's fate. */
static enum fate messages_in(struct reading *reading, const struct frame *frame,
			     message_visitor *visit)
{
	const struct view *payload = &reading->datagram.payload;
	struct message m;
	struct view one;
	enum fate fate;
	size_t stride;

	if (filtered(reading->audit, frame))
		return FILTERED;
	fate = packet_datagram(frame->link, frame->bytes, &reading->datagram);
	if (fate != CARRIES)
		return fate;
	stride = message_stride(payload);
	reading->frame = frame;
	reading->offset = 0;
	do {
		one = *payload;
		one.p += reading->offset;
		if (stride < payload->len) {
			one.len -= reading->offset;
			if (one.len > stride)
				one.len = stride;
			one.have = one.len;
		}
		fate = message_parse(&one, reading->audit->strict, &m);
		if (fate == OTHER && reading->offset)
			return MALFORMED;
		if (fate == OTHER && packet_is_encapsulation(&reading->datagram))
			return TUNNELED;
		if (fate != CARRIES)
			return fate;
		visit(reading, &m);
		reading->offset += stride;
	} while (reading->offset < payload->len);
	return CARRIES;
}

static void survey_message(struct reading *reading, const struct message *m)
{
	struct audit *audit = reading->audit;

	audit->captures[reading->file].messages++;
	audit->kinds[m->kind]++;
	audit->judged++;
	audit->reserved += m->reserved;
	if (!sessions_survey(audit->sessions, m, reading->file))
		die_of_memory();
}

static bool survey_packet(void *context, const struct frame *frame)
{
	struct reading *reading = context;
	struct capture *capture = &reading->audit->captures[reading->file];
	enum fate fate = messages_in(reading, frame, survey_message);

	capture->packets = frame->packet;
	if (!capture->fates[fate]++)
		capture->first[fate] = frame->packet;
	if (fate == UNKNOWN_LINK && capture->fates[fate] == 1)
		capture->unknown_link = frame->link;
	reading->audit->encapsulated += fate == TUNNELED;
	return true;
}

static void add_reuse(struct reading *reading, const struct message *m, struct reuse *reuse)
{
	const struct session *session;

	if (m->kind == TRANSPORT) {
		session = sessions_find(reading->audit->sessions, m->receiver);
		if (!session || session->several) {
			if (!suspects_add(reading->suspects, m->receiver))
				die_of_memory();
			return;
		}
	}
	memcpy(reuse->nonce, m->nonce, m->nonce_len);
	if (!reuses_add(&reading->audit->findings.reuses, reuse))
		die_of_memory();
}

static void judge(struct reading *reading, const struct message *m)
{
	struct audit *audit = reading->audit;
	struct reuse reuse = {
		.kind = m->kind,
		.receiver = m->receiver,
		.counter = m->counter,
		.nonce_len = m->nonce_len,
		.b = { reading->file, reading->frame->packet },
		.offset = reading->offset,
	};
	enum verdict verdict;

	verdict = judge_message(audit->judge, m, reuse.b, &reuse.a);
	if (verdict == FIRST || verdict == REUSE)
		sessions_distinct(audit->sessions, m);
	if (verdict == REUSE)
		add_reuse(reading, m, &reuse);
	reading->full |= verdict == FULL;
}

static bool judge_packet(void *context, const struct frame *frame)
{
	struct reading *reading = context;

	messages_in(reading, frame, judge);
	return !reading->full;
}

static void look_into(struct reading *reading, const struct message *m)
{
	const struct sight sight = {
		.place = { reading->file, reading->frame->packet },
		.offset = reading->offset,
		.time = reading->frame->time,
		.datagram = &reading->datagram,
	};

	reading->full |= !handshakes_see(reading->handshakes, m, &sight);
}

static bool look_into_packet(void *context, const struct frame *frame)
{
	struct reading *reading = context;

	messages_in(reading, frame, look_into);
	return !reading->full;
}

static void complain_of_unjudged(struct complaints *complaints, const struct capture *capture)
{
	static const char *const why[FATES] = {
		[FRAGMENT] = "fragmented",
		[CUT] = "cut short by the capture's snapshot length",
		[MALFORMED] = "malformed",
		[UNKNOWN_LINK] = "of a link type that is not supported, ",
	};

	for (int fate = FRAGMENT; fate < FATES; fate++) {
		unsigned long long count = capture->fates[fate], first = capture->first[fate];
		const char *link = "";

		if (fate == UNKNOWN_LINK)
			link = capture_link_name(capture->unknown_link);
		if (count == 1)
			complain(complaints, "%s: cannot judge packet %llu: it is %s%s",
				 capture->shown, first, why[fate], link);
		else if (count)
			complain(complaints,
				 "%s: cannot judge %llu packets, the first is packet %llu: %s%s",
				 capture->shown, count, first, why[fate], link);
	}
}

/* Captures of the copies of a machine are compared, so no file may be given twice. */
static bool given_before(struct audit *audit, uint32_t file)
{
	const struct capture *capture = &audit->captures[file], *earlier = audit->captures;

	for (; earlier < capture; earlier++) {
		if (!earlier->opened || earlier->named.st_dev != capture->named.st_dev ||
		    earlier->named.st_ino != capture->named.st_ino)
			continue;
		complain(&audit->complaints, "%s: the same file as %s", capture->shown,
			 earlier->shown);
		return true;
	}
	return false;
}

static void complain_of(struct audit *audit, const struct capture *capture, const char *error)
{
	if (error)
		complain(&audit->complaints, "%s: %s", capture->shown, error);
}

static void survey(struct audit *audit)
{
	const char *error;

	for (uint32_t file = 0; file < audit->files; file++) {
		struct capture *capture = &audit->captures[file];
		struct reading reading = { .audit = audit, .file = file };

		error = capture_identify(capture);
		complain_of(audit, capture, error);
		if (error || given_before(audit, file))
			continue;
		/* The readable part of a broken capture is judged. */
		complain_of(audit, capture, capture_open(capture));
		if (!capture->opened)
			continue;
		complain_of(audit, capture,
			    capture_read(capture, ULLONG_MAX, survey_packet, &reading));
		complain_of_unjudged(&audit->complaints, capture);
	}
}

/* Reads the captures once more. */
static bool read_all(struct reading *reading, capture_visitor *visit)
{
	struct audit *audit = reading->audit;
	const char *error;

	for (reading->file = 0; reading->file < audit->files; reading->file++) {
		struct capture *capture = &audit->captures[reading->file];

		if (!capture->messages)
			continue;
		error = capture_read(capture, capture->packets, visit, reading);
		if (reading->full) {
			complain(&audit->complaints,
				 "too many ciphertexts under one nonce for this --memory");
			return false;
		}
		complain_of(audit, capture, error);
		if (error)
			return false;
	}
	return true;
}

static void find_reuses(struct audit *audit, struct suspects *suspects)
{
	struct reading reading = { .audit = audit, .suspects = suspects };

	for (unsigned int pass = 0; pass < judge_passes(audit->judge); pass++) {
		judge_pass(audit->judge, pass);
		if (!read_all(&reading, judge_packet))
			break;
	}
	judge_end(audit->judge);
	suspects_sort(suspects);
}

/* An upper bound for the number of messages to the suspects. */
static unsigned long long messages_to(const struct audit *audit, const struct suspects *suspects)
{
	unsigned long long messages = 0, unlisted = 0;
	const struct session *session;

	for (size_t i = 0; i < suspects->count; i++) {
		session = sessions_find(audit->sessions, suspects->list[i]);
		if (session)
			messages += session->messages;
		else
			unlisted = sessions_unlisted(audit->sessions);
	}
	return messages + unlisted;
}

/* Tells the sessions of the suspects apart by their handshakes. */
static void look_into_suspects(struct audit *audit, size_t memory, const struct suspects *suspects)
{
	struct reading reading = { .audit = audit };
	struct handshakes *h;

	h = handshakes_new(suspects, memory, messages_to(audit, suspects));
	if (!h)
		die_of_memory();
	reading.handshakes = h;
	for (unsigned int pass = 0; pass < handshakes_passes(h); pass++) {
		handshakes_pass(h, pass);
		if (!read_all(&reading, look_into_packet))
			break;
		if (!handshakes_decide(h, &audit->findings))
			die_of_memory();
	}
	handshakes_end(h, &audit->findings);
}

void audit_run(struct audit *audit, size_t memory)
{
	struct suspects suspects = { 0 };

	audit->sessions = sessions_new();
	if (!audit->sessions)
		die_of_memory();
	survey(audit);
	audit->judge = judge_new(memory, audit->judged);
	if (!audit->judge)
		die_of_memory();
	if (audit->judged)
		find_reuses(audit, &suspects);
	else
		complain(&audit->complaints, "nothing to judge: no tunnel messages");
	if (suspects.count)
		look_into_suspects(audit, memory, &suspects);
	reuses_sort(&audit->findings.reuses);
	reuses_sort(&audit->findings.doubtful);
}
