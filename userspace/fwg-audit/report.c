// SPDX-License-Identifier: GPL-2.0
/* Prints the findings of the audit, for people or for programs. */
#include "report.h"

#include <sodium.h>
#include <stdio.h>

#include "json.h"

#define BASE64_SIZE sodium_base64_ENCODED_LEN(NONCE_MAX, sodium_base64_VARIANT_ORIGINAL)

/* How many lines of a kind are printed without --all. */
#define LINES 50

const char *report_verdict(const struct audit *audit)
{
	if (audit->findings.reuses.total)
		return "reuse";
	if (audit->findings.doubtful.total)
		return "doubtful";
	return audit->complaints.count ? "inconclusive" : "clean";
}

/* The plural ending of a noun. */
static const char *s(unsigned long long count)
{
	return count == 1 ? "" : "s";
}

static unsigned long long unjudged(const struct capture *capture)
{
	unsigned long long count = 0;

	for (int fate = FRAGMENT; fate < FATES; fate++)
		count += capture->fates[fate];
	return count;
}

static const char *base64(char out[BASE64_SIZE], const struct reuse *reuse)
{
	return sodium_bin2base64(out, BASE64_SIZE, reuse->nonce, reuse->nonce_len,
				 sodium_base64_VARIANT_ORIGINAL);
}

static void text_file(const struct capture *c)
{
	printf("%s: %llu packet%s, %llu message%s, %llu other packet%s", c->shown, c->packets,
	       s(c->packets), c->messages, s(c->messages), c->fates[OTHER], s(c->fates[OTHER]));
	if (c->fates[TUNNELED])
		printf(", %llu encapsulated", c->fates[TUNNELED]);
	if (c->fates[FILTERED])
		printf(", %llu filtered out", c->fates[FILTERED]);
	putchar('\n');
}

static void text_session(const struct session *session)
{
	printf("session 0x%08x: %llu transport message%s, %llu distinct, ", session->receiver,
	       session->messages, s(session->messages), session->distinct);
	printf("counters %llu to %llu, in %u file%s%s%s\n", session->first, session->last,
	       session->files, s(session->files), session->handshake ? "" : ", no handshake",
	       session->several ? ", one of several with this index" : "");
}

static void text_more(unsigned long long count, const char *noun)
{
	if (count)
		printf("and %llu more %s%s\n", count, noun, s(count));
}

static void text_sessions(const struct sessions *sessions, size_t most)
{
	unsigned long long more = 0;
	const struct session *session;

	for (size_t i = 0; i < sessions_count(sessions); i++) {
		session = sessions_get(sessions, i);
		if (!session->messages)
			continue;
		if (most) {
			text_session(session);
			most--;
		} else {
			more++;
		}
	}
	text_more(more, "session");
	if (sessions_unlisted(sessions))
		printf("further sessions: %llu transport message%s\n", sessions_unlisted(sessions),
		       s(sessions_unlisted(sessions)));
}

static void text_handshakes(const struct audit *audit)
{
	const unsigned long long *kinds = audit->kinds, ephemerals = judge_ephemerals(audit->judge);

	printf("handshakes: %llu initiation%s, %llu response%s, %llu cookie repl%s; ",
	       kinds[INITIATION], s(kinds[INITIATION]), kinds[RESPONSE], s(kinds[RESPONSE]),
	       kinds[COOKIE], kinds[COOKIE] == 1 ? "y" : "ies");
	printf("%llu ephemeral key%s, %llu in more than one file\n", ephemerals, s(ephemerals),
	       judge_ephemerals_shared(audit->judge));
}

static void text_reuse(const struct audit *audit, const struct reuse *reuse, const char *what)
{
	char nonce[BASE64_SIZE];

	printf("%s: %s ", what, kind_name[reuse->kind]);
	if (reuse->kind == TRANSPORT)
		printf("0x%08x counter %llu", reuse->receiver, reuse->counter);
	else
		printf("%s %s", reuse->kind == COOKIE ? "nonce" : "ephemeral",
		       base64(nonce, reuse));
	printf(": %s packet %llu, %s packet %llu\n", audit->captures[reuse->a.file].shown,
	       reuse->a.packet, audit->captures[reuse->b.file].shown, reuse->b.packet);
}

static void text_reuses(const struct audit *audit, const struct reuses *reuses, size_t most,
			const char *what, const char *noun)
{
	size_t i;

	for (i = 0; i < reuses->count && i < most; i++)
		text_reuse(audit, &reuses->list[i], what);
	text_more(reuses->total - i, noun);
}

static void text_verdict(const struct audit *audit)
{
	const struct findings *f = &audit->findings;

	printf("%s: %llu message%s judged", report_verdict(audit), audit->judged, s(audit->judged));
	if (audit->reserved)
		printf(", %llu with reserved bytes", audit->reserved);
	printf(", %llu reuse%s", f->reuses.total, s(f->reuses.total));
	if (f->doubtful.total)
		printf(", %llu doubtful", f->doubtful.total);
	if (f->chosen_twice)
		printf(", %llu receiver %s chosen twice", f->chosen_twice,
		       f->chosen_twice == 1 ? "index that was" : "indices that were");
	if (audit->encapsulated)
		printf(", %llu packet%s encapsulated and not looked into", audit->encapsulated,
		       s(audit->encapsulated));
	putchar('\n');
}

void report_text(const struct audit *audit, bool all)
{
	size_t most = all ? SIZE_MAX : LINES;

	for (size_t i = 0; i < audit->files; i++)
		text_file(&audit->captures[i]);
	text_sessions(audit->sessions, most);
	text_handshakes(audit);
	text_reuses(audit, &audit->findings.reuses, most, "reuse", "reuse");
	text_reuses(audit, &audit->findings.doubtful, most, "doubtful", "doubtful case");
	text_verdict(audit);
}

static void json_file(const struct capture *c)
{
	json_line();
	json_open(NULL, '{');
	json_string("name", c->name);
	json_number("packets", c->packets);
	json_number("messages", c->messages);
	json_number("other", c->fates[OTHER]);
	json_number("filtered", c->fates[FILTERED]);
	json_number("encapsulated", c->fates[TUNNELED]);
	json_number("unjudged", unjudged(c));
	json_close('}');
}

static void json_receiver(uint32_t receiver)
{
	char text[sizeof("0x00000000")];

	snprintf(text, sizeof(text), "0x%08x", receiver);
	json_string("receiver", text);
}

static void json_session(const struct session *session)
{
	json_line();
	json_open(NULL, '{');
	json_receiver(session->receiver);
	json_number("messages", session->messages);
	json_number("distinct", session->distinct);
	json_number("first_counter", session->first);
	json_number("last_counter", session->last);
	json_number("files", session->files);
	json_bool("handshake", session->handshake);
	json_bool("several", session->several);
	json_close('}');
}

static void json_handshakes(const struct audit *audit)
{
	json_line();
	json_open("handshakes", '{');
	json_number("initiations", audit->kinds[INITIATION]);
	json_number("responses", audit->kinds[RESPONSE]);
	json_number("cookies", audit->kinds[COOKIE]);
	json_number("ephemerals", judge_ephemerals(audit->judge));
	json_number("shared", judge_ephemerals_shared(audit->judge));
	json_close('}');
}

static void json_place(const struct audit *audit, const char *name, const struct place *place)
{
	json_open(name, '{');
	json_string("file", audit->captures[place->file].name);
	json_number("packet", place->packet);
	json_close('}');
}

static void json_reuse(const struct audit *audit, const struct reuse *reuse)
{
	bool ephemeral = reuse->kind == INITIATION || reuse->kind == RESPONSE;
	char nonce[BASE64_SIZE];

	json_line();
	json_open(NULL, '{');
	json_string("kind", kind_name[reuse->kind]);
	if (reuse->kind != INITIATION)
		json_receiver(reuse->receiver);
	if (reuse->kind == TRANSPORT)
		json_number("counter", reuse->counter);
	else
		json_string(ephemeral ? "ephemeral" : "nonce", base64(nonce, reuse));
	json_place(audit, "a", &reuse->a);
	json_place(audit, "b", &reuse->b);
	json_close('}');
}

static void json_reuses(const struct audit *audit, const char *name, const struct reuses *reuses)
{
	json_line();
	json_open(name, '[');
	for (size_t i = 0; i < reuses->count; i++)
		json_reuse(audit, &reuses->list[i]);
	json_close(']');
}

void report_json(const struct audit *audit)
{
	const struct session *session;

	json_open(NULL, '{');
	json_open("files", '[');
	for (size_t i = 0; i < audit->files; i++)
		json_file(&audit->captures[i]);
	json_close(']');
	json_line();
	json_open("sessions", '[');
	for (size_t i = 0; i < sessions_count(audit->sessions); i++) {
		session = sessions_get(audit->sessions, i);
		if (session->messages)
			json_session(session);
	}
	json_close(']');
	json_number("unlisted", sessions_unlisted(audit->sessions));
	json_handshakes(audit);
	json_reuses(audit, "reuses", &audit->findings.reuses);
	json_reuses(audit, "doubts", &audit->findings.doubtful);
	json_line();
	json_open("errors", '[');
	for (size_t i = 0; i < audit->complaints.count; i++) {
		json_line();
		json_string(NULL, audit->complaints.list[i]);
	}
	json_close(']');
	json_line();
	json_number("judged", audit->judged);
	json_number("reserved", audit->reserved);
	json_number("encapsulated", audit->encapsulated);
	json_number("reused", audit->findings.reuses.total);
	json_number("doubtful", audit->findings.doubtful.total);
	json_number("chosen_twice", audit->findings.chosen_twice);
	json_string("verdict", report_verdict(audit));
	json_close('}');
	json_end();
}
