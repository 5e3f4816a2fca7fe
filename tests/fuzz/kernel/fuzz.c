// SPDX-License-Identifier: GPL-2.0
/* fuzz: device files, coverage, and checks after a run; see fuzz.h. */

#include "fuzz.h"

#include <linux/debug_locks.h>
#include <linux/fs.h>
#include <linux/hash.h>
#include <linux/hrtimer.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/panic_notifier.h>
#include <linux/rcupdate.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#undef fwg_netlink_init
#undef fwg_device_exit

/* A run takes far less than a millisecond. After this many ticks, it hangs. */
#define HANG_TICKS 4
#define HANG_TICK (5LL * NSEC_PER_SEC)

#define LINE 64

static const struct fuzz_target *const targets[] = { &fuzz_packet, &fuzz_netlink };
static struct miscdevice devices[ARRAY_SIZE(targets)];

static DEFINE_MUTEX(fuzz_lock); /* one target at a time */
static const struct fuzz_target *target;
static u8 *counters;
static u8 input[FUZZ_INPUT_MAX];
static size_t input_len;
static bool running, failed;
static unsigned int runs, ticks;
static struct hrtimer watchdog;

static bool lockdep;
module_param(lockdep, bool, 0444);
MODULE_PARM_DESC(lockdep, "check locking, which takes a third of the time");

static struct {
	const char *what;
	u64 count;
} counts[32];

static void cover(u32 i)
{
	if (counters[i] < U8_MAX)
		counters[i]++;
}

/* The compiler inserts a call of this at the start of each basic block of the module. */
void notrace __sanitizer_cov_trace_pc(void)
{
	if (READ_ONCE(running))
		cover(hash_32((u32)(_RET_IP_ - (unsigned long)fuzz_init), FUZZ_CODE_BITS));
}
EXPORT_SYMBOL_GPL(__sanitizer_cov_trace_pc);

/**
 * fuzz_feature() - the input has reached a feature, so it is worth keeping
 * @what: the number of the feature
 */
void fuzz_feature(u32 what)
{
	cover(FUZZ_CODE_COUNTERS + what % FUZZ_FEATURES);
}

/**
 * fuzz_count() - count an event for the statistics
 * @what: its name, a literal; each place in the source has a counter of its own
 */
void fuzz_count(const char *what)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		if (counts[i].what && counts[i].what != what)
			continue;
		counts[i].what = what;
		counts[i].count++;
		return;
	}
}

/**
 * fuzz_fail() - report that a property does not hold
 * @property: the property
 * @file: the source file that checks it
 * @line: the line in that file
 */
void fuzz_fail(const char *property, const char *file, int line)
{
	if (!failed)
		pr_err("fuzz: %s:%d: not so: %s\n", kbasename(file), line, property);
	failed = true;
}

/* Has the kernel itself reported a bug? */
static bool complained(void)
{
	return test_taint(TAINT_WARN) || test_taint(TAINT_BAD_PAGE) || test_taint(TAINT_DIE) ||
	       (lockdep && !debug_locks);
}

static enum hrtimer_restart on_watchdog(struct hrtimer *timer)
{
	if (READ_ONCE(running) && ++ticks >= HANG_TICKS)
		panic("fuzz: an input hangs");
	hrtimer_forward_now(timer, HANG_TICK);
	return HRTIMER_RESTART;
}

/* After a panic the process can't save the input, so the kernel logs it. */
static int on_panic(struct notifier_block *nb, unsigned long action, void *data)
{
	size_t at;

	for (at = 0; running && at < input_len; at += LINE)
		pr_emerg("fuzz: input %*phN\n", (int)min_t(size_t, LINE, input_len - at),
			 input + at);
	return NOTIFY_DONE;
}

/* Highest priority, because the next notifier ends user-mode Linux. */
static struct notifier_block panic_nb = { .notifier_call = on_panic, .priority = INT_MAX };

static ssize_t fuzz_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	if (len > sizeof(input))
		return -EMSGSIZE;
	if (copy_from_user(input, buf, len))
		return -EFAULT;
	input_len = len;
	ticks = 0;
	failed = false;
	WRITE_ONCE(running, true);
	target->run(input, len);
	WRITE_ONCE(running, false);
	/* Let RCU free memory, lest it run out, and so that uses after free are found. */
	if (!(++runs % 64))
		rcu_barrier();
	return failed || complained() ? -EIO : len;
}

static ssize_t fuzz_read(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	char *text = kzalloc(PAGE_SIZE, GFP_KERNEL);
	size_t size = 0;
	ssize_t n;
	int i;

	if (!text)
		return -ENOMEM;
	for (i = 0; i < ARRAY_SIZE(counts) && counts[i].what; i++)
		size += scnprintf(text + size, PAGE_SIZE - size, "%s: %llu\n", counts[i].what,
				  counts[i].count);
	n = simple_read_from_buffer(buf, len, pos, text, size);
	kfree(text);
	return n;
}

static int fuzz_mmap(struct file *file, struct vm_area_struct *vma)
{
	return remap_vmalloc_range(vma, counters, vma->vm_pgoff);
}

static int fuzz_open(struct inode *inode, struct file *file)
{
	const struct miscdevice *device = file->private_data;
	int err;

	if (!mutex_trylock(&fuzz_lock))
		return -EBUSY;
	target = targets[device - devices];
	memset(counts, 0, sizeof(counts));
	err = target->begin();
	if (err)
		mutex_unlock(&fuzz_lock);
	return err;
}

static int fuzz_release(struct inode *inode, struct file *file)
{
	target->end();
	mutex_unlock(&fuzz_lock);
	return 0;
}

static const struct file_operations fuzz_fops = {
	.owner = THIS_MODULE,
	.open = fuzz_open,
	.release = fuzz_release,
	.read = fuzz_read,
	.write = fuzz_write,
	.mmap = fuzz_mmap,
};

/**
 * fuzz_init() - create the device files
 *
 * Context: process.
 * Return: 0 or a negative error.
 */
int fuzz_init(void)
{
	int i, err;

	if (!lockdep)
		debug_locks_off();
	counters = vmalloc_user(FUZZ_COUNTERS);
	if (!counters)
		return -ENOMEM;
	for (i = 0; i < ARRAY_SIZE(targets); i++) {
		devices[i].minor = MISC_DYNAMIC_MINOR;
		devices[i].name = targets[i]->name;
		devices[i].fops = &fuzz_fops;
		err = misc_register(&devices[i]);
		if (err)
			goto err_devices;
	}
	atomic_notifier_chain_register(&panic_notifier_list, &panic_nb);
	hrtimer_init(&watchdog, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
	watchdog.function = on_watchdog;
	hrtimer_start(&watchdog, HANG_TICK, HRTIMER_MODE_REL_HARD);
	return 0;

err_devices:
	while (i--)
		misc_deregister(&devices[i]);
	vfree(counters);
	return err;
}

/**
 * fuzz_exit() - remove the device files
 *
 * Context: process.
 */
void fuzz_exit(void)
{
	int i;

	hrtimer_cancel(&watchdog);
	atomic_notifier_chain_unregister(&panic_notifier_list, &panic_nb);
	for (i = 0; i < ARRAY_SIZE(targets); i++)
		misc_deregister(&devices[i]);
	vfree(counters);
}
