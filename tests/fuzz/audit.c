// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzzes fwg-audit with one or two whole capture files, read by the real libpcap.
 * The oracle compares every message with every other, and checks the report. The
 * input's first byte selects the size of the memory, the form of the report and the
 * order of the files; the next two bytes are the length of the first file.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <pcap/pcap.h>

#include "../../userspace/fwg-audit/bytes.h"
#include "../../userspace/fwg-audit/capture.h"
#include "../../userspace/fwg-audit/pcapng.h"
#include "harness.h"

/* Included for messages_in(), which finds the messages in a frame, and struct reading. */
#define capture_open fuzz_capture_open
#define capture_read fuzz_capture_read
const char *fuzz_capture_open(struct capture *capture);
const char *fuzz_capture_read(struct capture *capture, unsigned long long packets,
			      capture_visitor *visit, void *reading);
#include "../../userspace/fwg-audit/audit.c"
#undef capture_open
#undef capture_read
#include "../../userspace/fwg-audit/report.h"

#define FILES 2
#define CHOICE_MEMORY 0x07
#define CHOICE_REPORT 0x38 /* for most values no report, because reports take long */
#define CHOICE_TEXT 0x08
#define CHOICE_JSON 0x10
#define CHOICE_SWAP 0x40
#define CHOICE_STRICT 0x80

/* An entry of a table takes 40 or 64 bytes, so that many passes are needed. */
#define MEMORY_LEAST (8 * 64)

/* As in handshakes.c. */
#define LIFETIME 240
#define CHOICES 4

/* fwg-audit does not free its memory, so it is freed here after each run. */

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

static uint8_t chance; /* the same in each run, so that findings are reproducible */

ssize_t fuzz_getrandom(void *to, size_t len, unsigned int flags)
{
	(void)flags;
	for (size_t i = 0; i < len; i++)
		((uint8_t *)to)[i] = chance = chance * 5 + 7;
	return len;
}

/* Files in memory. Their names are their numbers; they are opened one after the other. */

static struct {
	const uint8_t *data;
	size_t size;
} files[FILES];

typeof(open) fuzz_open;
typeof(close) fuzz_close;
typeof(fstat) fuzz_fstat;
typeof(fdopen) fuzz_fdopen;
typeof(fileno) fuzz_fileno;
typeof(pread) fuzz_pread;
typeof(pipe2) fuzz_pipe2;
typeof(stat) fuzz_stat;

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

int fuzz_stat(const char *name, struct stat *st)
{
	return fuzz_fstat(fuzz_open(name, 0), st);
}

FILE *fuzz_fdopen(int fd, const char *mode)
{
	static char buffer[2048]; /* faster than a buffer allocated by stdio */
	FILE *file = fmemopen((void *)files[fd].data, files[fd].size, mode);

	EXPECT(fd == opened && file);
	setvbuf(file, buffer, _IOFBF, sizeof(buffer));
	return file;
}

ssize_t fuzz_pread(int fd, void *to, size_t size, off_t offset)
{
	EXPECT(fd == opened && !offset);
	if (size > files[fd].size)
		size = files[fd].size;
	memcpy(to, files[fd].data, size);
	return size;
}

/* Fails, so that nothing is decompressed. */
int fuzz_pipe2(int ends[2], int flags)
{
	(void)ends;
	(void)flags;
	errno = EMFILE;
	return -1;
}

int fuzz_fileno(FILE *file)
{
	(void)file;
	return opened;
}

/* The truth */

/* The session to which a message belongs. */
struct belonging {
	enum {
		UNKNOWN, /* the unknown session of the file */
		KNOWN, /* the session of the handshake */
		ONE_OF_SEVERAL, /* one of several, the newest of which is the handshake's */
	} kind;
	uint32_t file;
	const uint8_t *handshake;
	bool certain;
};

struct fact {
	struct message m;
	struct datagram datagram;
	int64_t time;
	uint32_t file;
	unsigned long long packet;
	size_t offset;
	const struct fact *first; /* the first message with this nonce */
	bool distinct; /* no earlier message has this nonce and this text */
	struct belonging belonging;
};

static struct {
	struct fact *facts;
	size_t count, room;
	unsigned int flaws; /* files and packets that can't be judged */
	unsigned long long ephemerals, shared;
} truth;

static void learn_message(struct reading *reading, const struct message *m)
{
	if (truth.count == truth.room) {
		truth.room = 2 * truth.room + 64;
		truth.facts = realloc(truth.facts, truth.room * sizeof(*truth.facts));
	}
	truth.facts[truth.count++] = (struct fact){
		.m = *m,
		.datagram = reading->datagram,
		.time = reading->frame->time,
		.file = reading->file,
		.packet = reading->frame->packet,
		.offset = reading->offset,
		.distinct = true,
	};
}

/* A reading, observed before fwg-audit sees the packets. */
struct onlooker {
	capture_visitor *visit;
	struct reading *reading;
};

/* The frame is copied, so that reading even one byte beyond it is an error. */
static bool learn_packet(void *context, const struct frame *frame)
{
	const struct onlooker *onlooker = context;
	struct frame copy = *frame;

	copy.bytes.p = memcpy(keep(malloc(frame->bytes.have)), frame->bytes.p, frame->bytes.have);
	truth.flaws += messages_in(onlooker->reading, &copy, learn_message) >= FRAGMENT;
	return onlooker->visit(onlooker->reading, frame);
}

const char *fuzz_capture_open(struct capture *capture)
{
	const char *error = capture_open(capture);

	truth.flaws += !!error;
	return error;
}

/* Learns the packets while a file is read for the first time. */
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

/* As far as libpcap can read a pcapng file, our reader must find the same frames. */
static void expect_same_frames(const uint8_t *data, size_t size)
{
	struct pcapng ng = { .file = fmemopen((void *)data, size, "rb") };
	FILE *file = fmemopen((void *)data, size, "rb");
	char error[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *header;
	struct frame frame;
	const u_char *p;
	pcap_t *pcap;

	EXPECT(file && ng.file);
	pcap = pcap_fopen_offline(file, error);
	while (pcap && pcap_next_ex(pcap, &header, &p) == 1) {
		if (pcapng_next(&ng, &frame) != 1) {
			/* libpcap does not look at the second length of the first block. */
			EXPECT(ng.error && strstr(ng.error, "two different lengths"));
			break;
		}
		EXPECT(frame.bytes.have == header->caplen && frame.bytes.len == header->len);
		if (packet_link_known(frame.link))
			EXPECT(frame.link == pcap_datalink(pcap) &&
			       !memcmp(frame.bytes.p, p, header->caplen));
		EXPECT(frame.time == header->ts.tv_sec);
	}
	pcapng_end(&ng);
	fclose(ng.file);
	if (pcap)
		pcap_close(pcap);
	else
		fclose(file);
}

static bool chooses(const struct fact *f)
{
	return f->m.kind == INITIATION || f->m.kind == RESPONSE;
}

/* Does a message belong to a session with this index, or to a handshake that chose it? */
static bool concerns(const struct fact *f, uint32_t index)
{
	return chooses(f) ? f->m.sender == index : f->m.kind == TRANSPORT && f->m.receiver == index;
}

static bool same_nonce(const struct message *a, const struct message *b)
{
	return a->kind == b->kind && !memcmp(a->nonce, b->nonce, a->nonce_len);
}

static bool same_text(const struct message *a, const struct message *b)
{
	return a->text_len == b->text_len && !memcmp(a->text, b->text, a->text_len);
}

static bool same_endpoint(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && a->len == b->len && !memcmp(a->address, b->address, a->len);
}

static bool same_key(const struct message *a, const struct message *b)
{
	return !memcmp(a->nonce, b->nonce, a->nonce_len);
}

static bool young(int64_t a, int64_t b)
{
	__int128 age = (__int128)a - b;

	return age >= -LIFETIME && age <= LIFETIME;
}

static bool same_session(const struct fact *a, const struct fact *b)
{
	if (a->belonging.kind != b->belonging.kind)
		return false;
	if (a->belonging.kind == UNKNOWN)
		return a->belonging.file == b->belonging.file;
	return !memcmp(a->belonging.handshake, b->belonging.handshake, 32);
}

static void compare_with_all_before(struct fact *fact)
{
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
	truth.ephemerals += chooses(fact) && !here;
	/* An ephemeral key is shared when one of its messages is not in the file of the first. */
	truth.shared += chooses(fact) && here && !others && fact->file != file;
}

/* Is it known that several sessions had the index? */
static bool several(uint32_t index)
{
	const struct fact *chosen = NULL, *before = NULL;
	bool in_use = false;

	for (const struct fact *f = truth.facts; f < truth.facts + truth.count; f++) {
		if (!concerns(f, index))
			continue;
		if (!before || before->file != f->file)
			in_use = !chooses(f);
		before = f;
		if (!chooses(f))
			continue;
		if (in_use || (chosen && !same_key(&chosen->m, &f->m)))
			return true;
		chosen = f;
	}
	return false;
}

/* The last choices of the index before @fact, in its file. */
static size_t choices_before(const struct fact *fact, uint32_t index,
			     const struct fact *choices[CHOICES])
{
	size_t count = 0, i;

	for (const struct fact *f = truth.facts; f < fact; f++) {
		if (f->file != fact->file || !chooses(f) || !concerns(f, index))
			continue;
		for (i = 0; i < count; i++)
			if (same_key(&choices[i]->m, &f->m) &&
			    same_endpoint(&choices[i]->datagram.from, &f->datagram.from))
				break;
		if (i < count)
			continue;
		if (count == CHOICES)
			memmove(choices, choices + 1, --count * sizeof(*choices));
		choices[count++] = f;
	}
	return count;
}

static void find_belonging(struct fact *fact)
{
	const struct endpoint *from = &fact->datagram.from, *to = &fact->datagram.to;
	const struct fact *choices[CHOICES], *newest = NULL, *there = NULL;
	size_t count = choices_before(fact, fact->m.receiver, choices);

	for (size_t i = 0; i < count; i++) {
		if (same_endpoint(&choices[i]->datagram.from, from))
			continue;
		newest = choices[i];
		if (young(newest->time, fact->time) && same_endpoint(&newest->datagram.from, to))
			there = newest;
	}
	fact->belonging = (struct belonging){ .kind = UNKNOWN, .file = fact->file };
	if (!newest)
		return;
	if (there)
		newest = there;
	fact->belonging.kind = KNOWN;
	fact->belonging.handshake = newest->m.nonce;
	fact->belonging.certain = young(newest->time, fact->time);
	for (size_t i = 0; i < count && !there; i++) {
		if (same_endpoint(&choices[i]->datagram.from, from) ||
		    same_key(&choices[i]->m, &newest->m))
			continue;
		if (young(choices[i]->time, fact->time) ||
		    (same_endpoint(&choices[i]->datagram.from, to) &&
		     !same_endpoint(&newest->datagram.from, to))) {
			fact->belonging.kind = ONE_OF_SEVERAL;
			fact->belonging.certain = false;
		}
	}
}

/* Had all unknown sessions with the index ended when a known one began? */
static bool unknown_are_over(uint32_t index)
{
	const struct fact *unknown = NULL, *choices[CHOICES], *some = NULL;

	for (const struct fact *f = truth.facts; f < truth.facts + truth.count; f++) {
		if (!concerns(f, index))
			continue;
		if (some && some->file != f->file)
			return false;
		some = f;
		if (chooses(f)) {
			if (unknown && young(unknown->time, f->time))
				return false;
		} else if (f->belonging.kind == UNKNOWN) {
			if (choices_before(f, index, choices))
				return false;
			unknown = f;
		}
	}
	return true;
}

/* The session of a text, by all messages that have this text. */
static struct belonging settled(const struct fact *fact)
{
	struct belonging result = fact->belonging;
	const struct fact *certain = NULL;

	for (const struct fact *f = truth.facts; f < truth.facts + truth.count; f++) {
		if (!same_nonce(&f->m, &fact->m) || !same_text(&f->m, &fact->m) ||
		    !f->belonging.certain)
			continue;
		/* A text from before the first handshake does not belong to a later one. */
		if (!certain && result.kind == UNKNOWN && result.file == f->file)
			return result;
		if (certain && !same_session(certain, f))
			result.certain = false;
		if (!certain) {
			certain = f;
			result = f->belonging;
		}
	}
	if (result.kind == UNKNOWN && unknown_are_over(fact->m.receiver))
		result.certain = true;
	return result;
}

/* The oracles */

/* The next entry of a list must be this one. */
static void expect_next(const struct reuses *reuses, size_t *next, const struct fact *a,
			const struct fact *b)
{
	const struct reuse *reuse = &reuses->list[*next];

	EXPECT(*next < reuses->count);
	EXPECT(reuse->kind == b->m.kind);
	EXPECT(reuse->kind != TRANSPORT ||
	       (reuse->receiver == b->m.receiver && reuse->counter == b->m.counter));
	EXPECT(reuse->kind == TRANSPORT || (reuse->nonce_len == b->m.nonce_len &&
					    !memcmp(reuse->nonce, b->m.nonce, b->m.nonce_len)));
	EXPECT(reuse->a.file == a->file && reuse->a.packet == a->packet);
	EXPECT(reuse->b.file == b->file && reuse->b.packet == b->packet);
	EXPECT(reuse->offset == b->offset);
	++*next;
}

/* Compares another text of a nonce with those before; false if it is of another session. */
static bool expect_finding(const struct findings *findings, const struct fact *fact, size_t *reuses,
			   size_t *doubts)
{
	bool doubtful = !fact->belonging.certain;

	if (fact->m.kind != TRANSPORT || !several(fact->m.receiver)) {
		expect_next(&findings->reuses, reuses, fact->first, fact);
		return true;
	}
	for (const struct fact *f = fact->first; f < fact; f++) {
		if (!same_nonce(&f->m, &fact->m) || !f->distinct)
			continue;
		if (same_session(f, fact)) {
			expect_next(&findings->reuses, reuses, f, fact);
			return true;
		}
		doubtful |= !f->belonging.certain;
	}
	if (doubtful)
		expect_next(&findings->doubtful, doubts, fact->first, fact);
	return doubtful;
}

static void expect_findings(const struct findings *findings)
{
	struct belonging *belongings = calloc(truth.count + 1, sizeof(*belongings));
	size_t reuses = 0, doubts = 0, twice = 0, i, before;

	for (i = 0; i < truth.count; i++)
		if (truth.facts[i].m.kind == TRANSPORT)
			find_belonging(&truth.facts[i]);
	for (i = 0; i < truth.count; i++)
		if (truth.facts[i].m.kind == TRANSPORT)
			belongings[i] = settled(&truth.facts[i]);
	for (i = 0; i < truth.count; i++)
		truth.facts[i].belonging = belongings[i];
	for (i = 0; i < truth.count; i++) {
		struct fact *fact = &truth.facts[i];

		if (fact->first == fact || !fact->distinct ||
		    expect_finding(findings, fact, &reuses, &doubts))
			continue;
		/* Once for each index. */
		for (before = 0; before < i; before++)
			if (belongings[before].kind == KINDS &&
			    concerns(&truth.facts[before], fact->m.receiver))
				break;
		belongings[i].kind = KINDS;
		twice += before == i;
	}
	EXPECT(findings->reuses.total == reuses && findings->reuses.count == reuses);
	EXPECT(findings->doubtful.total == doubts && findings->doubtful.count == doubts);
	EXPECT(findings->chosen_twice == twice);
	free(belongings);
}

static void expect_session(const struct session *session)
{
	unsigned long long messages = 0, distinct = 0, least = ULLONG_MAX, most = 0;
	unsigned int files = 0;
	bool chosen = false;

	for (size_t i = 0; i < truth.count; i++) {
		const struct fact *f = &truth.facts[i];

		chosen |= chooses(f) && f->m.sender == session->receiver;
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
	EXPECT(several(session->receiver) == session->several);
	EXPECT(chosen == !!session->handshake);
	EXPECT(!messages || (least == session->first && most == session->last));
}

static void expect_sessions(const struct audit *audit)
{
	unsigned long long messages = 0, transport = 0;

	for (size_t i = 0; i < sessions_count(audit->sessions); i++) {
		expect_session(sessions_get(audit->sessions, i));
		messages += sessions_get(audit->sessions, i)->messages;
	}
	for (size_t i = 0; i < truth.count; i++)
		transport += truth.facts[i].m.kind == TRANSPORT;
	EXPECT(messages == transport && !sessions_unlisted(audit->sessions));
}

/* Was the table too small for a share of the nonces? */
static bool overflowed(const struct audit *audit)
{
	for (size_t i = 0; i < audit->complaints.count; i++)
		if (strstr(audit->complaints.list[i], "too many ciphertexts"))
			return true;
	return false;
}

static void expect_truth(const struct audit *audit)
{
	const struct findings *findings = &audit->findings;
	const char *verdict = report_verdict(audit);
	unsigned long long reserved = 0;

	for (size_t i = 0; i < truth.count; i++) {
		compare_with_all_before(&truth.facts[i]);
		reserved += truth.facts[i].m.reserved;
	}
	EXPECT(audit->judged == truth.count && audit->reserved == reserved);
	if (overflowed(audit)) {
		EXPECT(strcmp(verdict, "clean"));
		return;
	}
	EXPECT(!audit->complaints.count == !(truth.flaws || !truth.count));
	EXPECT(!strcmp(verdict, findings->reuses.total	    ? "reuse" :
				findings->doubtful.total    ? "doubtful" :
				truth.flaws || !truth.count ? "inconclusive" :
							      "clean"));
	expect_findings(findings);
	expect_sessions(audit);
	EXPECT(judge_ephemerals(audit->judge) == truth.ephemerals);
	EXPECT(judge_ephemerals_shared(audit->judge) == truth.shared);
}

static void forget_truth(void)
{
	free(truth.facts);
	memset(&truth, 0, sizeof(truth));
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
	for (size_t i = 0; i < audit.files; i++) {
		captures[i].name = names[data[0] & CHOICE_SWAP ? audit.files - 1 - i : i];
		captures[i].shown = captures[i].name;
	}
	audit.strict = data[0] & CHOICE_STRICT;

	for (size_t i = 0; i < audit.files; i++)
		if (files[i].size > 4 && get_be32(files[i].data) == PCAPNG_MAGIC)
			expect_same_frames(files[i].data, files[i].size);
	caught_forget(&output);
	caught_forget(&complaints);
	chance = 0;
	forget_truth();
	audit_run(&audit, MEMORY_LEAST << (data[0] & CHOICE_MEMORY));
	expect_truth(&audit);
	if ((data[0] & CHOICE_REPORT) == CHOICE_TEXT) {
		report_text(&audit, data[0] & CHOICE_STRICT);
		EXPECT(*caught_text(&output));
	} else if ((data[0] & CHOICE_REPORT) == CHOICE_JSON) {
		report_json(&audit);
		EXPECT(expect_json() == 1);
	}

	while (kept_count)
		free(kept[--kept_count]);
	return 0;
}
