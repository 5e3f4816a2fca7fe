// SPDX-License-Identifier: GPL-2.0
/* What the audit found, for people and for programs. */
#include "report.h"

#include <sodium.h>
#include <stdio.h>

#include "json.h"

#define BASE64_SIZE sodium_base64_ENCODED_LEN(NONCE_MAX, sodium_base64_VARIANT_ORIGINAL)

const char *report_verdict(const struct audit *audit)
{
	if (audit->reuses.total)
		return "reuse";
	return audit->complaints.count ? "inconclusive" : "clean";
}

static const char *base64(char out[BASE64_SIZE], const struct reuse *reuse)
{
	return sodium_bin2base64(out, BASE64_SIZE, reuse->nonce, reuse->nonce_len,
				 sodium_base64_VARIANT_ORIGINAL);
}

static bool ambiguous(const struct audit *audit, const struct reuse *reuse)
{
	return reuse->kind == TRANSPORT && sessions_ambiguous(audit->sessions, reuse->receiver);
}

static void text_session(const struct session *session)
{
	printf("session 0x%08x: %llu transport messages, %llu distinct, ", session->receiver,
	       session->messages, session->distinct);
	printf("counters %llu to %llu, files: %u%s\n", session->first, session->last,
	       session->files,
	       session->several_owners ? ", index chosen in several handshakes" : "");
}

static void text_reuse(const struct audit *audit, const struct reuse *reuse)
{
	char nonce[BASE64_SIZE];

	printf("reuse: %s ", kind_name[reuse->kind]);
	if (reuse->kind == TRANSPORT)
		printf("0x%08x counter %llu", reuse->receiver, reuse->counter);
	else
		printf("%s %s", reuse->kind == COOKIE ? "nonce" : "ephemeral",
		       base64(nonce, reuse));
	printf(": %s packet %llu, %s packet %llu%s\n", audit->captures[reuse->a.file].name,
	       reuse->a.packet, audit->captures[reuse->b.file].name, reuse->b.packet,
	       ambiguous(audit, reuse) ?
		       " (or two sessions: the index was chosen in several handshakes)" :
		       "");
}

void report_text(const struct audit *audit)
{
	const struct session *session;

	for (size_t i = 0; i < audit->files; i++) {
		const struct capture *c = &audit->captures[i];

		printf("%s: %llu packets, %llu messages, %llu other packets\n", c->name, c->packets,
		       c->messages, c->others);
	}
	for (size_t i = 0; i < sessions_count(audit->sessions); i++) {
		session = sessions_get(audit->sessions, i);
		if (session->messages)
			text_session(session);
	}
	if (sessions_unlisted(audit->sessions))
		printf("further sessions: %llu transport messages\n",
		       sessions_unlisted(audit->sessions));
	printf("handshakes: %llu initiations, %llu responses, %llu cookie replies; ",
	       audit->kinds[INITIATION], audit->kinds[RESPONSE], audit->kinds[COOKIE]);
	printf("%llu ephemerals, %llu in more than one file\n", judge_ephemerals(audit->judge),
	       judge_ephemerals_shared(audit->judge));
	for (size_t i = 0; i < audit->reuses.count; i++)
		text_reuse(audit, &audit->reuses.list[i]);
	if (audit->reuses.total > audit->reuses.count)
		printf("and %llu reuses more\n", audit->reuses.total - audit->reuses.count);
	printf("%s: %llu messages judged, %llu reuses\n", report_verdict(audit), audit->judged,
	       audit->reuses.total);
}

static void json_file(const struct capture *c)
{
	unsigned long long unjudged = 0;

	for (int fate = 0; fate < FATES; fate++)
		unjudged += c->unjudged[fate];
	json_line();
	json_open(NULL, '{');
	json_string("name", c->name);
	json_number("packets", c->packets);
	json_number("messages", c->messages);
	json_number("other", c->others);
	json_number("unjudged", unjudged);
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
	json_bool("ambiguous", session->several_owners);
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
	json_bool("ambiguous", ambiguous(audit, reuse));
	json_close('}');
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
	json_line();
	json_open("reuses", '[');
	for (size_t i = 0; i < audit->reuses.count; i++)
		json_reuse(audit, &audit->reuses.list[i]);
	json_close(']');
	json_line();
	json_open("errors", '[');
	for (size_t i = 0; i < audit->complaints.count; i++) {
		json_line();
		json_string(NULL, audit->complaints.list[i]);
	}
	json_close(']');
	json_line();
	json_number("judged", audit->judged);
	json_number("reused", audit->reuses.total);
	json_string("verdict", report_verdict(audit));
	json_close('}');
	json_end();
}
