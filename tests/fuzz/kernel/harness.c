// SPDX-License-Identifier: GPL-2.0
/*
 * harness: libFuzzer's engine, as a process in user-mode Linux, and the device
 * file of a target; see fuzz.h. The variable FUZZ_DEVICE has the file's name.
 *
 * A system call costs 70 us there. So each input takes only one, and the clock
 * takes none.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define COUNTERS 20480 /* FUZZ_COUNTERS */
#define PAGE 4096
#define NSEC 1000000000ull

/* libFuzzer looks here for additional coverage. */
__attribute__((section("__libfuzzer_extra_counters"), aligned(PAGE),
	       used)) static uint8_t counters[COUNTERS];

static int device;

static uint64_t now(clockid_t clock)
{
	struct timespec time;

	syscall(SYS_clock_gettime, clock, &time);
	return time.tv_sec * NSEC + time.tv_nsec;
}

/* libFuzzer calls this twice for each run. */
int clock_gettime(clockid_t clock, struct timespec *time)
{
	static uint64_t start, start_cycles;
	static double ns_per_cycle;
	uint64_t ns;

	if (!start) {
		start = now(CLOCK_MONOTONIC);
		start_cycles = __rdtsc();
		usleep(100000);
		ns_per_cycle = (double)(now(CLOCK_MONOTONIC) - start) / (__rdtsc() - start_cycles);
	}
	(void)clock;
	ns = start + (uint64_t)((__rdtsc() - start_cycles) * ns_per_cycle);
	time->tv_sec = ns / NSEC;
	time->tv_nsec = ns % NSEC;
	return 0;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* Prints the target's statistics. */
static void tell(void)
{
	char text[4096];
	ssize_t len = pread(device, text, sizeof(text) - 1, 0);

	if (len > 0)
		fprintf(stderr, "%.*s", (int)len, text);
}

static int open_device(void)
{
	const char *path = getenv("FUZZ_DEVICE");
	int fd = open(path ? path : "", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		die("FUZZ_DEVICE");
	if (mmap(counters, sizeof(counters), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
		 0) == MAP_FAILED)
		die("mmap");
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	/* Not earlier, because a process that merges corpora leaves the device to its children. */
	if (!device) {
		device = open_device();
		atexit(tell);
	}
	if (write(device, data, len) == (ssize_t)len)
		return 0;
	fprintf(stderr, "fuzz: the target complains: %s\n", strerror(errno));
	tell();
	abort();
}
