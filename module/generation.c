// SPDX-License-Identifier: GPL-2.0
/*
 * generation: finds the VM generation ID, notices that it has changed, and
 * leads every kind of change (a check that failed, the kernel's notifier, a
 * forced reset, sleep) into one reset. See generation.h for how to use it.
 *
 * The page with the ID is found and mapped here, beside drivers/virt/vmgenid.c,
 * because that driver keeps its mapping to itself. In the kernel's own tree this
 * file would use an accessor of the driver that returns a pointer to the 16 bytes.
 */
#include "generation.h"

#include <crypto/blake2s.h>
#include <linux/acpi.h>
#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/random.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/suspend.h>
#include <linux/timekeeping.h>
#include <linux/timer.h>
#include <linux/timex.h>
#include <linux/workqueue.h>

#define GENERATION_ID_LEN 16

static const u64 no_id[2];

struct generation_scope generation_root;
const u64 *generation_id = no_id;
bool generation_frozen;

static enum forkguard_generation_check check;
static generation_reset_fn reset_callback;

/* The ID for which the last reset was started, the number of forks, and the latest cause. */
static DEFINE_SPINLOCK(seen_lock);
u64 generation_seen[2];
static u64 forks;
static enum forkguard_reset_cause seen_cause;

static void fwg_reset_work_fn(struct work_struct *work)
{
	enum forkguard_reset_cause cause;

	spin_lock_irq(&seen_lock);
	cause = seen_cause;
	spin_unlock_irq(&seen_lock);
	/* Without waiting: the reset of the next fork must not wait for this one. */
	reset_callback(cause, false);
}

static DECLARE_WORK(reset_work, fwg_reset_work_fn);

static void fwg_count_fork(enum forkguard_reset_cause cause)
{
	lockdep_assert_held(&seen_lock);

	forks++;
	seen_cause = cause;
	queue_work(system_highpri_wq, &reset_work);
}

/*
 * Queue one reset for each new ID, at the first call. Later calls in the same
 * generation find nothing to do, so a late notifier does not undo what has begun
 * since.
 */
static void fwg_notice(enum forkguard_reset_cause cause)
{
	unsigned long flags;
	u64 id[2];

	spin_lock_irqsave(&seen_lock, flags);
	/* Read under the lock, so that an older ID is not taken for a newer one. */
	id[0] = READ_ONCE(generation_id[0]);
	id[1] = READ_ONCE(generation_id[1]);
	if (memcmp(generation_seen, id, sizeof(id))) {
		WRITE_ONCE(generation_seen[0], id[0]);
		WRITE_ONCE(generation_seen[1], id[1]);
		fwg_count_fork(cause);
	}
	spin_unlock_irqrestore(&seen_lock, flags);
}

/**
 * fwg_generation_notice() - a check of a stamp has failed
 *
 * Starts a reset if the ID has changed since the last one. May be called as
 * often as checks fail.
 *
 * Context: any.
 */
void fwg_generation_notice(void)
{
	fwg_notice(FORKGUARD_RESET_CAUSE_PACKET);
}

/**
 * fwg_generation_advance() - make every stamp of a scope stale
 * @scope: the scope
 *
 * Takes effect at once, even during another reset. The caller wipes what is now
 * stale.
 *
 * Context: any.
 */
void fwg_generation_advance(struct generation_scope *scope)
{
	/* Pairs with fwg_generation_read(): frozen first, then the epoch. */
	smp_mb__before_atomic();
	atomic64_inc(&scope->epoch);
	/* Pairs with fwg_generation_is_current(): stale first, then wiped. */
	smp_mb__after_atomic();
}

/* On device-tree machines this runs in a hard interrupt. */
static int fwg_on_vmfork(struct notifier_block *nb, unsigned long action, void *data)
{
	unsigned long flags;

	if (generation_id != no_id) {
		fwg_notice(FORKGUARD_RESET_CAUSE_NOTIFIER);
		return NOTIFY_DONE;
	}

	/* Without an ID to compare, each call is a fork. */
	fwg_generation_advance(&generation_root);
	spin_lock_irqsave(&seen_lock, flags);
	fwg_count_fork(FORKGUARD_RESET_CAUSE_NOTIFIER);
	spin_unlock_irqrestore(&seen_lock, flags);
	return NOTIFY_DONE;
}

static struct notifier_block vmfork_nb = { .notifier_call = fwg_on_vmfork };

/*
 * The image of a sleeping machine can be woken twice, like a snapshot. So it
 * must not contain a usable secret: from before the image is made until after
 * the machine runs again every stamp is stale, new ones included.
 */
static int fwg_on_pm(struct notifier_block *nb, unsigned long action, void *data)
{
	switch (action) {
	case PM_HIBERNATION_PREPARE:
	case PM_SUSPEND_PREPARE:
	case PM_RESTORE_PREPARE:
		WRITE_ONCE(generation_frozen, true);
		fwg_generation_advance(&generation_root);
		reset_callback(FORKGUARD_RESET_CAUSE_SUSPEND, true);
		break;
	case PM_POST_HIBERNATION:
	case PM_POST_SUSPEND:
	case PM_POST_RESTORE:
		WRITE_ONCE(generation_frozen, false);
		fwg_generation_advance(&generation_root);
		reset_callback(FORKGUARD_RESET_CAUSE_SUSPEND, false);
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block pm_nb = { .notifier_call = fwg_on_pm };

/* Look at the ID once a second, so that an idle machine needs no notice (R10). */
static DEFINE_MUTEX(watch_mutex);
static unsigned int watchers;

static void fwg_look_work_fn(struct work_struct *work)
{
	fwg_generation_notice();
	queue_delayed_work(system_power_efficient_wq, to_delayed_work(work),
			   round_jiffies_relative(HZ));
}

/* Not deferrable: nobody would look while the CPU with the timer sleeps. */
static DECLARE_DELAYED_WORK(look_work, fwg_look_work_fn);

/**
 * fwg_generation_watch() - watch the generation, because there are secrets
 *
 * Calls are counted; each is undone by fwg_generation_unwatch().
 *
 * Context: process.
 */
void fwg_generation_watch(void)
{
	mutex_lock(&watch_mutex);
	if (!watchers++ && generation_id != no_id)
		queue_delayed_work(system_power_efficient_wq, &look_work,
				   round_jiffies_relative(HZ));
	mutex_unlock(&watch_mutex);
}

/**
 * fwg_generation_unwatch() - undo one fwg_generation_watch()
 *
 * Context: process.
 */
void fwg_generation_unwatch(void)
{
	mutex_lock(&watch_mutex);
	if (!--watchers)
		cancel_delayed_work_sync(&look_work);
	mutex_unlock(&watch_mutex);
}

/**
 * fwg_generation_draw() - draw random bytes that differ between clones
 * @stamp: the stamp of the secret, read before this call
 * @out: where the bytes go
 * @len: how many, 32 at most
 *
 * After a fork all clones have the same RNG state until the kernel reseeds it,
 * which is late. A hash of the stamp, keyed with the RNG's output, differs at once
 * and is no easier to guess than that output. The time is hashed, too, for clones
 * that no ID tells apart, such as one image of a sleeping machine that is woken
 * twice: it most likely differs, but that is no guarantee.
 *
 * Context: any.
 */
void fwg_generation_draw(const struct generation_stamp *stamp, void *out, size_t len)
{
	struct {
		struct generation_stamp stamp;
		u64 cycles, time;
	} own = { *stamp, random_get_entropy(), ktime_get_real_ns() };
	u8 key[BLAKE2S_KEY_SIZE];

	BUILD_BUG_ON(BLAKE2S_HASH_SIZE != 32);
	get_random_bytes(key, sizeof(key));
	blake2s(out, (const u8 *)&own, key, len, sizeof(own), sizeof(key));
	memzero_explicit(key, sizeof(key));
}

/**
 * fwg_generation_source() - from where is the generation read?
 *
 * Context: any.
 */
enum forkguard_generation_source fwg_generation_source(void)
{
	return generation_id != no_id ? FORKGUARD_GENERATION_SOURCE_ACPI :
					FORKGUARD_GENERATION_SOURCE_NONE;
}

/**
 * fwg_generation_check() - when is a fork noticed?
 *
 * Context: any.
 */
enum forkguard_generation_check fwg_generation_check(void)
{
	return check;
}

/**
 * fwg_generation_tag() - a name for the running generation
 * @salt: the reader's salt; only tags with the same salt can be compared
 * @tag: a keyed hash of the generation ID. The ID itself seeds the kernel's RNG
 *	and must stay secret
 *
 * Context: any.
 * Return: false if there is no ID.
 */
bool fwg_generation_tag(const u8 salt[GENERATION_SALT_LEN], u8 tag[FORKGUARD_GENERATION_TAG_LEN])
{
	const struct {
		u8 label[32];
		u64 id[2];
	} name = { "forkguard generation tag",
		   { READ_ONCE(generation_id[0]), READ_ONCE(generation_id[1]) } };

	if (generation_id == no_id)
		return false;
	blake2s(tag, (const u8 *)&name, salt, FORKGUARD_GENERATION_TAG_LEN, sizeof(name),
		GENERATION_SALT_LEN);
	return true;
}

/**
 * fwg_generation_forks() - how many forks were noticed since the module was loaded?
 *
 * Context: any.
 */
u64 fwg_generation_forks(void)
{
	unsigned long flags;
	u64 n;

	spin_lock_irqsave(&seen_lock, flags);
	n = forks;
	spin_unlock_irqrestore(&seen_lock, flags);
	return n;
}

#if IS_ENABLED(CONFIG_ACPI)
static struct acpi_device *fwg_find_device(void)
{
	/* The compatible IDs of the VM generation ID specification. */
	static const char *const ids[] = { "VM_GEN_COUNTER", "VMGENCTR" };
	struct acpi_device *adev = NULL;
	int i;

	for (i = 0; i < ARRAY_SIZE(ids) && !adev; i++)
		adev = acpi_dev_get_first_match_dev(ids[i], NULL, -1);
	return adev;
}

/*
 * The device's method ADDR returns the physical address of the ID, as a package
 * of its low and high half. The ID is in 8-byte aligned memory that the firmware
 * has reserved.
 */
static const u64 *fwg_map_id(struct acpi_device *adev)
{
	struct acpi_buffer buffer = { ACPI_ALLOCATE_BUFFER, NULL };
	union acpi_object *pkg, *half;
	const u64 *id = NULL;
	phys_addr_t addr;

	if (ACPI_FAILURE(acpi_evaluate_object(adev->handle, "ADDR", NULL, &buffer)))
		return NULL;
	pkg = buffer.pointer;
	if (!pkg || pkg->type != ACPI_TYPE_PACKAGE || pkg->package.count != 2)
		goto out;
	half = pkg->package.elements;
	if (half[0].type != ACPI_TYPE_INTEGER || half[1].type != ACPI_TYPE_INTEGER)
		goto out;
	addr = half[0].integer.value | half[1].integer.value << 32;
	if (addr && IS_ALIGNED(addr, sizeof(u64)))
		id = memremap(addr, GENERATION_ID_LEN, MEMREMAP_WB);
out:
	ACPI_FREE(buffer.pointer);
	return id;
}

static void fwg_find_id(void)
{
	struct acpi_device *adev = fwg_find_device();
	const u64 *id;

	if (!adev)
		return;
	id = fwg_map_id(adev);
	acpi_dev_put(adev);
	if (IS_ENABLED(CONFIG_VMGENID))
		check = FORKGUARD_GENERATION_CHECK_NOTIFIER;
	if (!id)
		return;
	generation_id = id;
	check = FORKGUARD_GENERATION_CHECK_PACKET;
}

static void fwg_forget_id(void)
{
	if (generation_id != no_id)
		memunmap((void *)generation_id);
	generation_id = no_id;
}
#else
static void fwg_find_id(void)
{
}

static void fwg_forget_id(void)
{
}
#endif

/**
 * fwg_generation_init() - find the generation ID and watch it
 * @reset: wipes what is stale; called until fwg_generation_exit() has returned
 *
 * A machine without a generation ID is not an error. There is a warning, because
 * its forks are noticed late or not at all.
 *
 * Context: process.
 * Return: 0 or a negative error.
 */
int __init fwg_generation_init(generation_reset_fn reset)
{
	int err;

	reset_callback = reset;
	fwg_find_id();
	generation_seen[0] = READ_ONCE(generation_id[0]);
	generation_seen[1] = READ_ONCE(generation_id[1]);

	err = register_random_vmfork_notifier(&vmfork_nb);
	if (err)
		goto err_id;
	err = register_pm_notifier(&pm_nb);
	if (err)
		goto err_vmfork;

	if (check == FORKGUARD_GENERATION_CHECK_NONE)
		pr_warn("no VM generation ID: forks of this machine are not detected\n");
	else if (check == FORKGUARD_GENERATION_CHECK_NOTIFIER)
		pr_warn("VM generation ID not readable: forks of this machine are detected late\n");
	return 0;

err_vmfork:
	unregister_random_vmfork_notifier(&vmfork_nb);
err_id:
	/* The notifier may have queued a reset already. */
	cancel_work_sync(&reset_work);
	fwg_forget_id();
	return err;
}

/**
 * fwg_generation_exit() - stop watching
 *
 * Nothing else of this layer is in use any more. The callback may still be called
 * until this returns.
 *
 * Context: process.
 */
void fwg_generation_exit(void)
{
	unregister_pm_notifier(&pm_nb);
	unregister_random_vmfork_notifier(&vmfork_nb);
	cancel_work_sync(&reset_work);
	fwg_forget_id();
}

#ifdef FORKGUARD_KUNIT
#include "generation_test.c"
#endif
