/* SPDX-License-Identifier: GPL-2.0 */
/*
 * generation: which generation of this machine is running?
 *
 * A machine that is forked (snapshotted and restored twice, cloned, rolled
 * back) gets a new VM generation ID before its first instruction. This layer
 * maps the ID, hands out stamps of the running generation, and starts a reset
 * when the ID has changed. It knows nothing of tunnels.
 *
 * How to keep a secret safe across forks:
 *  1. read a stamp with fwg_generation_read() before the first random byte of the
 *     secret is drawn, and draw with fwg_generation_draw();
 *  2. after the last byte of anything computed with the secret, and before
 *     anybody else gets to see it, call fwg_generation_is_current(); on false wipe
 *     the result and call fwg_generation_notice().
 *
 * A fork before that check makes every clone fail it. A fork after it makes
 * every clone send the same bytes. There is no third case.
 *
 * This relies on the hypervisor: it changes the ID before the first instruction
 * of a restored machine (A1), and no two machines that share a past, the first
 * one included, ever have the same ID (A2). If an ID came back, its stamps would
 * be current again until a reset had wiped their secrets.
 */
#ifndef _FORKGUARD_GENERATION_H
#define _FORKGUARD_GENERATION_H

#include <asm/barrier.h>
#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/limits.h>
#include <linux/types.h>
#include <uapi/linux/forkguard.h>

/**
 * struct generation_scope - the secrets that one forced reset makes stale
 * @parent: the enclosing scope; the outermost one is &generation_root
 * @epoch: counts the resets of this scope; written by generation.c only
 */
struct generation_scope {
	const struct generation_scope *parent;
	atomic64_t epoch;
};

/**
 * struct generation_stamp - the generation in which a secret was drawn
 * @id: the VM generation ID, or 0
 * @epoch: the resets of the scope and of all scopes around it, or
 *	%GENERATION_NEVER
 */
struct generation_stamp {
	u64 id[2];
	u64 epoch;
};

/* The epoch of a stamp that is never current. */
#define GENERATION_NEVER U64_MAX

/* A salt makes the tags of one reader useless to another. */
#define GENERATION_SALT_LEN 16

extern struct generation_scope generation_root;

/* For the inline functions below. */
extern const u64 *generation_id;
extern u64 generation_seen[2];
extern bool generation_frozen;

void fwg_generation_notice(void);

static inline u64 fwg_generation_epoch(const struct generation_scope *scope)
{
	u64 epoch = 0;

	/* No addend ever decreases: the sums are equal only if no addend has changed. */
	for (; scope; scope = scope->parent)
		epoch += atomic64_read(&scope->epoch);
	return epoch;
}

/**
 * fwg_generation_read() - read the stamp of the running generation
 * @scope: the scope in which the secret will live
 *
 * The first call that reads a new ID starts the reset, as if a check had failed.
 *
 * Context: any.
 * Return: the stamp. While the machine is about to sleep it is one that is
 * never current, so that the image contains no usable secret.
 */
static inline struct generation_stamp fwg_generation_read(const struct generation_scope *scope)
{
	struct generation_stamp stamp = {
		.id = { READ_ONCE(generation_id[0]), READ_ONCE(generation_id[1]) },
		.epoch = fwg_generation_epoch(scope),
	};

	/* Pairs with fwg_generation_advance(). */
	smp_rmb();
	if (unlikely(READ_ONCE(generation_frozen)))
		stamp.epoch = GENERATION_NEVER;
	/* Before anything that the caller draws. */
	smp_rmb();
	/* Unlocked; fwg_generation_notice() looks again. */
	if (unlikely(stamp.id[0] != READ_ONCE(generation_seen[0]) ||
		     stamp.id[1] != READ_ONCE(generation_seen[1])))
		fwg_generation_notice();
	return stamp;
}

/**
 * fwg_generation_is_current() - was a stamp read in the running generation?
 * @scope: the scope with which the stamp was read
 * @stamp: the stamp; fwg_generation_revoke() may revoke it at the same time
 *
 * Everything that the caller computed before this call is complete before the
 * check. A fork falls between two instructions of a CPU, so for forks a compiler
 * barrier is enough. The read barrier is for forced resets and
 * fwg_generation_revoke(), where another CPU wipes the secret.
 *
 * Context: any.
 */
static inline bool fwg_generation_is_current(const struct generation_scope *scope,
					     const struct generation_stamp *stamp)
{
	barrier();
	/* Pairs with fwg_generation_revoke() and fwg_generation_advance(). */
	smp_rmb();
	return READ_ONCE(stamp->epoch) == fwg_generation_epoch(scope) &&
	       stamp->id[0] == READ_ONCE(generation_id[0]) &&
	       stamp->id[1] == READ_ONCE(generation_id[1]);
}

/**
 * fwg_generation_is_frozen() - is the machine about to sleep?
 *
 * Context: any.
 * Return: true while no stamp is current; a reset follows when it is false again.
 */
static inline bool fwg_generation_is_frozen(void)
{
	return READ_ONCE(generation_frozen);
}

/**
 * fwg_generation_revoke() - make a stamp stale before its secret is wiped
 * @stamp: the stamp
 *
 * A CPU that is still computing with the secret may read it half wiped, but
 * then finds the stamp stale.
 *
 * Context: any.
 */
static inline void fwg_generation_revoke(struct generation_stamp *stamp)
{
	WRITE_ONCE(stamp->epoch, GENERATION_NEVER);
	/* Pairs with fwg_generation_is_current(). */
	smp_wmb();
}

/**
 * typedef generation_reset_fn - wipe every secret whose stamp is stale
 * @cause: why
 * @wait: return only when that is done
 *
 * Called in process context, without locks; calls may run at the same time.
 */
typedef void (*generation_reset_fn)(enum forkguard_reset_cause cause, bool wait);

int fwg_generation_init(generation_reset_fn reset);
void fwg_generation_exit(void);

void fwg_generation_advance(struct generation_scope *scope);
void fwg_generation_draw(const struct generation_stamp *stamp, void *out, size_t len);
void fwg_generation_watch(void);
void fwg_generation_unwatch(void);

enum forkguard_generation_source fwg_generation_source(void);
enum forkguard_generation_check fwg_generation_check(void);
bool fwg_generation_tag(const u8 salt[GENERATION_SALT_LEN], u8 tag[FORKGUARD_GENERATION_TAG_LEN]);
u64 fwg_generation_forks(void);

#endif /* _FORKGUARD_GENERATION_H */
