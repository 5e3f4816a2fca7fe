// SPDX-License-Identifier: GPL-2.0
/*
 * generation: finds the VM generation ID, notices that it has changed, and
 * leads every kind of change (a check that failed, the kernel's notifier, a
 * forced reset, sleep) into one reset. See generation.h for how to use it.
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
#include <linux/timex.h>
#include <linux/workqueue.h>

#define GENERATION_ID_LEN 16

static const u64 no_id[2];

struct generation_scope generation_root;
const u64 *generation_id = no_id;
bool generation_frozen;

static enum forkguard_generation_check check;
static generation_reset_fn reset_callback;

/* The generation that was last reset for, and how many forks led to it. */
static DEFINE_SPINLOCK(seen_lock);
static u64 seen_id[2];
static u64 forks;
static enum forkguard_reset_cause seen_cause;

/* Resets come one at a time; also guards the epochs of all scopes. */
static DEFINE_MUTEX(reset_mutex);

static void fwg_reset_work_fn(struct work_struct *work)
{
	enum forkguard_reset_cause cause;

	spin_lock_irq(&seen_lock);
	cause = seen_cause;
	spin_unlock_irq(&seen_lock);

	mutex_lock(&reset_mutex);
	reset_callback(&generation_root, cause);
	mutex_unlock(&reset_mutex);
}

static DECLARE_WORK(reset_work, fwg_reset_work_fn);

/*
 * Queue one reset for each new ID, whoever comes first. Later callers of the
 * same generation find nothing to do, so a notifier that comes late does not
 * undo what has begun since.
 */
static void fwg_notice(enum forkguard_reset_cause cause)
{
	unsigned long flags;
	u64 id[2];

	spin_lock_irqsave(&seen_lock, flags);
	/* Inside of the lock, lest an older ID be taken for a newer one. */
	id[0] = READ_ONCE(generation_id[0]);
	id[1] = READ_ONCE(generation_id[1]);
	if (memcmp(seen_id, id, sizeof(id))) {
		memcpy(seen_id, id, sizeof(id));
		seen_cause = cause;
		forks++;
		queue_work(system_highpri_wq, &reset_work);
	}
	spin_unlock_irqrestore(&seen_lock, flags);
}

/**
 * fwg_generation_notice() - a check of a stamp has failed
 *
 * Starts a reset when the reason is a generation that none was started for
 * yet; may be called as often as checks fail.
 *
 * Context: any.
 */
void fwg_generation_notice(void)
{
	fwg_notice(FORKGUARD_RESET_CAUSE_PACKET);
}

static void fwg_advance(struct generation_scope *scope, enum forkguard_reset_cause cause)
{
	mutex_lock(&reset_mutex);
	/* Pairs with fwg_generation_read(): frozen first, the epoch after. */
	smp_wmb();
	WRITE_ONCE(scope->epoch, scope->epoch + 1);
	/* Pairs with fwg_generation_is_current(): stale first, wiped after. */
	smp_wmb();
	reset_callback(scope, cause);
	mutex_unlock(&reset_mutex);
}

/**
 * fwg_generation_force() - reset a scope although the machine was not forked
 * @scope: the scope; everything in it is stale from here on
 *
 * Context: process; sleeps until the reset is done.
 */
void fwg_generation_force(struct generation_scope *scope)
{
	fwg_advance(scope, FORKGUARD_RESET_CAUSE_FORCED);
}

static int fwg_on_vmfork(struct notifier_block *nb, unsigned long action, void *data)
{
	if (generation_id != no_id) {
		fwg_notice(FORKGUARD_RESET_CAUSE_NOTIFIER);
		return NOTIFY_DONE;
	}

	/* Without an ID to look at, the notifier's word is all there is. */
	spin_lock_irq(&seen_lock);
	forks++;
	spin_unlock_irq(&seen_lock);
	fwg_advance(&generation_root, FORKGUARD_RESET_CAUSE_NOTIFIER);
	return NOTIFY_DONE;
}

static struct notifier_block vmfork_nb = { .notifier_call = fwg_on_vmfork };

/*
 * An image of a sleeping machine can be woken twice, like a snapshot. So
 * nothing in it may be of use: from before the image is made until after it
 * runs again every stamp is stale, and new ones are too.
 */
static int fwg_on_pm(struct notifier_block *nb, unsigned long action, void *data)
{
	switch (action) {
	case PM_HIBERNATION_PREPARE:
	case PM_SUSPEND_PREPARE:
	case PM_RESTORE_PREPARE:
		WRITE_ONCE(generation_frozen, true);
		fwg_advance(&generation_root, FORKGUARD_RESET_CAUSE_SUSPEND);
		break;
	case PM_POST_HIBERNATION:
	case PM_POST_SUSPEND:
	case PM_POST_RESTORE:
		WRITE_ONCE(generation_frozen, false);
		fwg_advance(&generation_root, FORKGUARD_RESET_CAUSE_SUSPEND);
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block pm_nb = { .notifier_call = fwg_on_pm };

/**
 * fwg_generation_draw() - draw random bytes that differ between clones
 * @stamp: the stamp of the secret that is drawn, read before
 * @out: where the bytes go
 * @len: how many, 32 at most
 *
 * After a fork all clones have the same RNG state until the kernel has reseeded
 * it, which comes late. The hash keyed with the RNG's output over the stamp
 * differs at once, and is no easier to guess than the RNG's output is. The time
 * is for clones that have no ID to tell them apart, or one image of a sleeping
 * machine that is woken twice: most likely it differs, but that is no guarantee.
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
 * fwg_generation_source() - where is the generation read from?
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
 * @tag: a hash of the generation ID. The ID itself seeds the kernel's RNG and
 *	is nobody's business
 *
 * Context: any.
 * Return: false when there is no ID.
 */
bool fwg_generation_tag(u8 tag[FORKGUARD_GENERATION_TAG_LEN])
{
	static const u8 label[] = "forkguard generation tag";
	u64 id[2] = { READ_ONCE(generation_id[0]), READ_ONCE(generation_id[1]) };

	if (generation_id == no_id)
		return false;
	blake2s(tag, (const u8 *)id, label, FORKGUARD_GENERATION_TAG_LEN, sizeof(id),
		sizeof(label) - 1);
	return true;
}

/**
 * fwg_generation_forks() - how many forks were seen since the module was loaded?
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
 * Method ADDR of the device gives the physical address of the ID as a package
 * of its low and high half. The ID is 8-byte aligned memory that the firmware
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
 * @reset: called for every reset, until fwg_generation_exit() has returned
 *
 * A machine without a generation ID is no error, but gets a warning: its forks
 * are noticed late, or not at all.
 *
 * Context: process.
 * Return: 0 or a negative error.
 */
int __init fwg_generation_init(generation_reset_fn reset)
{
	int err;

	reset_callback = reset;
	fwg_find_id();
	seen_id[0] = READ_ONCE(generation_id[0]);
	seen_id[1] = READ_ONCE(generation_id[1]);

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
 * There must be no user of this layer left but the callback.
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
