// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzzes fwg-audit with one or two whole capture files, which the real libpcap
 * reads, and judges its report by comparing every message with every other. The
 * input's first byte chooses the memory, the form of the report and the order of
 * the files; the next two are the length of the first file.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../userspace/fwg-audit/capture.h"
#include "harness.h"

/* Included for messages_in(), the only place that knows what is in a frame, and its readings. */
#define stat(name, st) fuzz_stat(name, st)
#define capture_read fuzz_capture_read
static int fuzz_stat(const char *name, struct stat *st);
const char *fuzz_capture_read(struct capture *capture, unsigned long long packets,
			      capture_visitor *visit, void *reading);
#include "../../userspace/fwg-audit/audit.c"
#undef capture_read
#undef stat
#include "../../userspace/fwg-audit/report.h"

#define FILES 2
#define CHOICE_MEMORY 0x07
#define CHOICE_REPORT 0x38 /* none but of two, for they take long */
#define CHOICE_TEXT 0x08
#define CHOICE_JSON 0x10
#define CHOICE_SWAP 0x40

/* An entry of the table takes 40 bytes; with so few many passes are needed. */
#define MEMORY_LEAST (8 * 40)

/* fwg-audit leaves its memory to its end. */

static void **kept;
static size_t kept_count, kept_room;

typeof(malloc) fuzz_malloc;
typeof(calloc) fuzz_calloc;
typeof(realloc) fuzz_realloc;
typeof(free) fuzz_free;
typeof(vasprintf) fuzz_vasprintf;
typeof(getrandom) fuzz_getrandom;

static void *keep(void *p)
{
	if (kept_count == kept_room) {
		kept_room = 2 * kept_room + 64;
		kept = realloc(kept, kept_room * sizeof(*kept));
	}
	kept[kept_count++] = p;
	return p;
}

static void *forget(void *p)
{
	size_t i = kept_count;

	if (!p)
		return NULL;
	do
		EXPECT(i);
	while (kept[--i] != p);
	kept[i] = kept[--kept_count];
	return p;
}

void *fuzz_malloc(size_t size)
{
	return keep(malloc(size));
}

void *fuzz_calloc(size_t count, size_t size)
{
	return keep(calloc(count, size));
}

void *fuzz_realloc(void *p, size_t size)
{
	return keep(realloc(forget(p), size));
}

void fuzz_free(void *p)
{
	free(forget(p));
}

int fuzz_vasprintf(char **text, const char *format, va_list arguments)
{
	int len = vasprintf(text, format, arguments);

	keep(*text);
	return len;
}

static uint8_t chance; /* the same in each run, so that a finding can be repeated */

ssize_t fuzz_getrandom(void *to, size_t len, unsigned int flags)
{
	(void)flags;
	for (size_t i = 0; i < len; i++)
		((uint8_t *)to)[i] = chance = chance * 5 + 7;
	return len;
}

/* Files, in memory: called by their number, opened one after the other. */

static struct {
	const uint8_t *data;
	size_t size;
} files[FILES];

typeof(open) fuzz_open;
typeof(close) fuzz_close;
typeof(fstat) fuzz_fstat;
typeof(fdopen) fuzz_fdopen;
typeof(fileno) fuzz_fileno;

static int opened;

int fuzz_open(const char *name, int flags, ...)
{
	(void)flags;
	opened = *name - '0';
	return opened;
}

int fuzz_close(int fd)
{
	EXPECT(fd == opened);
	return 0;
}

int fuzz_fstat(int fd, struct stat *st)
{
	EXPECT(fd == opened);
	*st = (struct stat){
		.st_mode = S_IFREG,
		.st_ino = fd + 1,
		.st_size = files[fd].size,
	};
	return 0;
}

static int fuzz_stat(const char *name, struct stat *st)
{
	return fuzz_fstat(fuzz_open(name, 0), st);
}

FILE *fuzz_fdopen(int fd, const char *mode)
{
	static char buffer[2048]; /* costs less than one that stdio allocates */
	FILE *file = fmemopen((void *)files[fd].data, files[fd].size, mode);

	EXPECT(fd == opened && file);
	setvbuf(file, buffer, _IOFBF, sizeof(buffer));
	return file;
}

int fuzz_fileno(FILE *file)
{
	(void)file;
	return opened;
}

/* The truth */

struct fact {
	struct message m;
	uint32_t file;
	unsigned long long packet;
	size_t offset;
	const struct fact *first; /* of this nonce; itself if none was before */
	bool distinct; /* no message before has this nonce and this text */
};

static struct {
	struct fact *facts;
	size_t count, room;
	unsigned int flaws; /* files and packets that are not judged as they should be */
	unsigned long long reuses, ephemerals, shared;
} truth;

static void learn_message(struct reading *reading, const struct message *m,
			  unsigned long long packet, size_t offset)
{
	if (truth.count == truth.room) {
		truth.room = 2 * truth.room + 64;
		truth.facts = realloc(truth.facts, truth.room * sizeof(*truth.facts));
	}
	truth.facts[truth.count++] = (struct fact){ *m, reading->file, packet, offset, NULL, true };
}

/* What fwg-audit is about to see of a reading. */
struct onlooker {
	capture_visitor *visit;
	struct reading *reading;
};

/* The frame is copied, so that it is an error to read but one byte beyond. */
static bool learn_packet(void *context, int link, unsigned long long packet, struct view frame)
{
	const struct onlooker *onlooker = context;
	struct view copy = frame;
	enum fate fate;

	copy.p = memcpy(keep(malloc(frame.have)), frame.p, frame.have);
	fate = messages_in(onlooker->reading, link, packet, copy, learn_message);
	truth.flaws += fate != CARRIES && fate != OTHER;
	return onlooker->visit(onlooker->reading, link, packet, frame);
}

/* Looks on while a file is read for the first time. */
const char *fuzz_capture_read(struct capture *capture, unsigned long long packets,
			      capture_visitor *visit, void *reading)
{
	struct onlooker onlooker = { visit, reading };
	const char *error;

	if (packets != ULLONG_MAX)
		return capture_read(capture, packets, visit, reading);
	error = capture_read(capture, packets, learn_packet, &onlooker);
	truth.flaws += !!error;
	return error;
}

static bool same_nonce(const struct message *a, const struct message *b)
{
	return a->kind == b->kind && !memcmp(a->nonce, b->nonce, a->nonce_len);
}

static bool same_text(const struct message *a, const struct message *b)
{
	return a->text_len == b->text_len && !memcmp(a->text, b->text, a->text_len);
}

static void compare_with_all_before(struct fact *fact)
{
	bool ephemeral = fact->m.kind == INITIATION || fact->m.kind == RESPONSE;
	bool here = false, others = false;
	uint32_t file;

	fact->first = fact;
	for (struct fact *f = truth.facts; f < fact; f++) {
		if (!same_nonce(&f->m, &fact->m))
			continue;
		if (fact->first == fact) {
			fact->first = f;
			file = f->file;
			here = true;
		}
		others |= f->file != file;
		fact->distinct &= !same_text(&f->m, &fact->m);
	}
	truth.reuses += here && fact->distinct;
	truth.ephemerals += ephemeral && !here;
	/* It is shared as soon as one of its messages is in another file than the first. */
	truth.shared += ephemeral && here && !others && fact->file != file;
}

static void forget_truth(void)
{
	free(truth.facts);
	memset(&truth, 0, sizeof(truth));
}

/* The oracles */

static void expect_reuses(const struct audit *audit)
{
	const struct reuse *reuse = audit->reuses.list;

	EXPECT(audit->reuses.total == truth.reuses && audit->reuses.count == truth.reuses);
	for (size_t i = 0; i < truth.count; i++) {
		const struct fact *f = &truth.facts[i];

		if (f->first == f || !f->distinct)
			continue;
		EXPECT(reuse->kind == f->m.kind && reuse->nonce_len == f->m.nonce_len);
		EXPECT(!memcmp(reuse->nonce, f->m.nonce, f->m.nonce_len));
		EXPECT(reuse->a.file == f->first->file && reuse->a.packet == f->first->packet);
		EXPECT(reuse->b.file == f->file && reuse->b.packet == f->packet);
		EXPECT(reuse->offset == f->offset);
		reuse++;
	}
}

static void expect_session(const struct audit *audit, const struct session *session)
{
	unsigned long long messages = 0, distinct = 0, least = ULLONG_MAX, most = 0;
	const struct fact *chosen = NULL;
	unsigned int files = 0;
	bool several = false;

	for (size_t i = 0; i < truth.count; i++) {
		const struct fact *f = &truth.facts[i];

		if ((f->m.kind == INITIATION || f->m.kind == RESPONSE) &&
		    f->m.sender == session->receiver) {
			several |= chosen && memcmp(f->m.nonce, chosen->m.nonce, f->m.nonce_len);
			chosen = f;
		}
		if (f->m.kind != TRANSPORT || f->m.receiver != session->receiver)
			continue;
		messages++;
		distinct += f->distinct;
		files |= 1 << f->file;
		least = f->m.counter < least ? f->m.counter : least;
		most = f->m.counter > most ? f->m.counter : most;
	}
	EXPECT(messages == session->messages && distinct == session->distinct);
	EXPECT(__builtin_popcount(files) == (int)session->files);
	EXPECT(several == session->several_owners);
	EXPECT(several == sessions_ambiguous(audit->sessions, session->receiver));
	EXPECT(!messages || (least == session->first && most == session->last));
}

static void expect_sessions(const struct audit *audit)
{
	unsigned long long messages = 0, transport = 0;

	for (size_t i = 0; i < sessions_count(audit->sessions); i++) {
		expect_session(audit, sessions_get(audit->sessions, i));
		messages += sessions_get(audit->sessions, i)->messages;
	}
	for (size_t i = 0; i < truth.count; i++)
		transport += truth.facts[i].m.kind == TRANSPORT;
	EXPECT(messages == transport && !sessions_unlisted(audit->sessions));
}

/* Did the table get too small for one share of the nonces? */
static bool overflowed(const struct audit *audit)
{
	for (size_t i = 0; i < audit->complaints.count; i++)
		if (strstr(audit->complaints.list[i], "too many ciphertexts"))
			return true;
	return false;
}

static void expect_truth(const struct audit *audit)
{
	const char *verdict = report_verdict(audit);

	for (size_t i = 0; i < truth.count; i++)
		compare_with_all_before(&truth.facts[i]);
	EXPECT(audit->judged == truth.count);
	if (overflowed(audit)) {
		/* Never a pass, and nothing made up. */
		EXPECT(strcmp(verdict, "clean"));
		EXPECT(audit->reuses.total <= truth.reuses);
		return;
	}
	EXPECT(!audit->complaints.count == !(truth.flaws || !truth.count));
	EXPECT(!strcmp(verdict, truth.reuses		    ? "reuse" :
				truth.flaws || !truth.count ? "inconclusive" :
							      "clean"));
	expect_reuses(audit);
	expect_sessions(audit);
	EXPECT(judge_ephemerals(audit->judge) == truth.ephemerals);
	EXPECT(judge_ephemerals_shared(audit->judge) == truth.shared);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[FILES] = { "0", "1" };
	struct capture captures[FILES] = { 0 };
	struct audit audit = { .captures = captures, .files = FILES };
	size_t first;

	if (size < 4)
		return -1;
	first = data[1] | data[2] << 8;
	if (first >= size - 3) {
		first = size - 3;
		audit.files = 1;
	}
	files[0].data = data + 3;
	files[0].size = first;
	files[1].data = data + 3 + first;
	files[1].size = size - 3 - first;
	for (size_t i = 0; i < audit.files; i++)
		captures[i].name = names[data[0] & CHOICE_SWAP ? audit.files - 1 - i : i];

	caught_forget(&output);
	caught_forget(&complaints);
	chance = 0;
	forget_truth();
	audit_run(&audit, MEMORY_LEAST << (data[0] & CHOICE_MEMORY));
	expect_truth(&audit);
	if ((data[0] & CHOICE_REPORT) == CHOICE_TEXT) {
		report_text(&audit);
		EXPECT(*caught_text(&output));
	} else if ((data[0] & CHOICE_REPORT) == CHOICE_JSON) {
		report_json(&audit);
		EXPECT(expect_json() == 1);
	}

	while (kept_count)
		free(kept[--kept_count]);
	return 0;
}
