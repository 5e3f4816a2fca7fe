// SPDX-License-Identifier: GPL-2.0
/* What the audit found, for people and for programs. */
#include "report.h"

#include <stdio.h>
#include <string.h>

#include "../json_string.h"

#define BASE64_SIZE ((NONCE_MAX + 2) / 3 * 4 + 1)

const char *report_verdict(const struct audit *audit)
{
	if (audit->reuses.total)
		return "reuse";
	return audit->complaints.count ? "inconclusive" : "clean";
}

static const char *base64(char out[BASE64_SIZE], const uint8_t *in, size_t len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *o = out;

	for (size_t i = 0; i < len; i += 3, o += 4) {
		uint32_t bits = in[i] << 16;

		if (i + 1 < len)
			bits |= in[i + 1] << 8;
		if (i + 2 < len)
			bits |= in[i + 2];
		o[0] = digits[bits >> 18];
		o[1] = digits[bits >> 12 & 63];
		o[2] = i + 1 < len ? digits[bits >> 6 & 63] : '=';
		o[3] = i + 2 < len ? digits[bits & 63] : '=';
	}
	*o = 0;
	return out;
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
		       base64(nonce, reuse->nonce, reuse->nonce_len));
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

static void json_number(const char *name, unsigned long long value)
{
	printf(",\"%s\":%llu", name, value);
}

static void json_file(const struct capture *c)
{
	unsigned long long unjudged = 0;

	for (int fate = 0; fate < FATES; fate++)
		unjudged += c->unjudged[fate];
	fputs("{\"name\":", stdout);
	put_json_string(c->name);
	json_number("packets", c->packets);
	json_number("messages", c->messages);
	json_number("other", c->others);
	json_number("unjudged", unjudged);
	putchar('}');
}

static void json_session(const struct session *session)
{
	printf("{\"receiver\":\"0x%08x\"", session->receiver);
	json_number("messages", session->messages);
	json_number("distinct", session->distinct);
	json_number("first_counter", session->first);
	json_number("last_counter", session->last);
	json_number("files", session->files);
	printf(",\"ambiguous\":%s}", session->several_owners ? "true" : "false");
}

static void json_handshakes(const struct audit *audit)
{
	printf(",\"handshakes\":{\"initiations\":%llu", audit->kinds[INITIATION]);
	json_number("responses", audit->kinds[RESPONSE]);
	json_number("cookies", audit->kinds[COOKIE]);
	json_number("ephemerals", judge_ephemerals(audit->judge));
	json_number("shared", judge_ephemerals_shared(audit->judge));
	putchar('}');
}

static void json_place(const struct audit *audit, const char *name, const struct place *place)
{
	printf(",\"%s\":{\"file\":", name);
	put_json_string(audit->captures[place->file].name);
	json_number("packet", place->packet);
	putchar('}');
}

static void json_reuse(const struct audit *audit, const struct reuse *reuse)
{
	bool ephemeral = reuse->kind == INITIATION || reuse->kind == RESPONSE;
	char nonce[BASE64_SIZE];

	base64(nonce, reuse->nonce, reuse->nonce_len);
	printf("{\"kind\":\"%s\"", kind_name[reuse->kind]);
	if (reuse->kind != INITIATION)
		printf(",\"receiver\":\"0x%08x\"", reuse->receiver);
	if (reuse->kind == TRANSPORT)
		json_number("counter", reuse->counter);
	else
		printf(",\"%s\":\"%s\"", ephemeral ? "ephemeral" : "nonce", nonce);
	json_place(audit, "a", &reuse->a);
	json_place(audit, "b", &reuse->b);
	printf(",\"ambiguous\":%s}", ambiguous(audit, reuse) ? "true" : "false");
}

void report_json(const struct audit *audit)
{
	const struct session *session;
	const char *comma = "";

	fputs("{\"files\":[", stdout);
	for (size_t i = 0; i < audit->files; i++, comma = ",\n") {
		fputs(comma, stdout);
		json_file(&audit->captures[i]);
	}
	fputs("],\n\"sessions\":[", stdout);
	comma = "";
	for (size_t i = 0; i < sessions_count(audit->sessions); i++) {
		session = sessions_get(audit->sessions, i);
		if (!session->messages)
			continue;
		fputs(comma, stdout);
		json_session(session);
		comma = ",\n";
	}
	printf("],\n\"unlisted\":%llu", sessions_unlisted(audit->sessions));
	json_handshakes(audit);
	fputs(",\n\"reuses\":[", stdout);
	comma = "";
	for (size_t i = 0; i < audit->reuses.count; i++, comma = ",\n") {
		fputs(comma, stdout);
		json_reuse(audit, &audit->reuses.list[i]);
	}
	fputs("],\n\"errors\":[", stdout);
	comma = "";
	for (size_t i = 0; i < audit->complaints.count; i++, comma = ",\n") {
		fputs(comma, stdout);
		put_json_string(audit->complaints.list[i]);
	}
	printf("],\n\"judged\":%llu", audit->judged);
	json_number("reused", audit->reuses.total);
	printf(",\"verdict\":\"%s\"}\n", report_verdict(audit));
}
