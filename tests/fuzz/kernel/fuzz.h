/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fuzz: the interface between the module and libFuzzer, a process in user-mode Linux.
 * Each target is a device file. mmap() of it maps the coverage counters; write() runs
 * one input, and returns when that is done.
 *
 * Also included before module/main.c, so that the module's init and exit call it.
 */
#ifndef _FORKGUARD_FUZZ_H
#define _FORKGUARD_FUZZ_H

#include "device.h"
#include "netlink.h"

#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/types.h>

#define FUZZ_INPUT_MAX 4096

/* The counters of code come first, then those of the targets' features. */
#define FUZZ_CODE_BITS 14
#define FUZZ_CODE_COUNTERS BIT(FUZZ_CODE_BITS)
#define FUZZ_FEATURES 4096U
#define FUZZ_COUNTERS (FUZZ_CODE_COUNTERS + FUZZ_FEATURES)

/**
 * struct fuzz_target - something to fuzz
 * @name: the name of its device file
 * @begin: prepare for runs; may fail
 * @run: run an input, in a state that does not depend on earlier inputs
 * @end: undo @begin
 */
struct fuzz_target {
	const char *name;
	int (*begin)(void);
	void (*run)(const u8 *input, size_t len);
	void (*end)(void);
};

extern const struct fuzz_target fuzz_packet, fuzz_netlink;

/**
 * struct fuzz_input - the rest of an input
 * @at: the next byte
 * @end: the end, after the last byte
 */
struct fuzz_input {
	const u8 *at, *end;
};

/* The next byte of an input, or 0 at its end. */
static inline u8 fuzz_u8(struct fuzz_input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

static inline u16 fuzz_u16(struct fuzz_input *in)
{
	u16 low = fuzz_u8(in);

	return low | fuzz_u8(in) << 8;
}

/* Copy up to @len of the next bytes of an input; returns how many. */
static inline size_t fuzz_bytes(struct fuzz_input *in, u8 *out, size_t len)
{
	len = min_t(size_t, len, in->end - in->at);
	memcpy(out, in->at, len);
	in->at += len;
	return len;
}

void fuzz_feature(u32 what);
void fuzz_count(const char *what);
void fuzz_fail(const char *property, const char *file, int line);

/* A property that must hold for every input. */
#define FUZZ_EXPECT(property)                                     \
	do {                                                      \
		if (!(property))                                  \
			fuzz_fail(#property, __FILE__, __LINE__); \
	} while (0)

void fuzz_settle_resets(void);
void __sanitizer_cov_trace_pc(void);
int fuzz_init(void);
void fuzz_exit(void);

#define fwg_netlink_init(...) ((fwg_netlink_init)(__VA_ARGS__) ?: fuzz_init())
#define fwg_device_exit(...) (fuzz_exit(), (fwg_device_exit)(__VA_ARGS__))

#endif /* _FORKGUARD_FUZZ_H */
