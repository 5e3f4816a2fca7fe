/* SPDX-License-Identifier: GPL-2.0 */
/*
 * generation: which generation of this machine is running?
 *
 * A machine that is forked (snapshotted and restored twice, cloned, rolled
 * back) gets a new VM generation ID before its first instruction. This layer
 * maps the ID, hands out stamps of the running generation, and tells one
 * callback when it has changed. It knows nothing of tunnels.
 *
 * How to keep a secret safe across forks:
 *  1. read a stamp with fwg_generation_read() before the first random byte of the
 *     secret is drawn, and draw with fwg_generation_draw();
 *  2. after the last byte of anything computed with the secret, and before
 *     anybody else gets to see it, ask fwg_generation_is_current(); on false wipe
 *     the result and call fwg_generation_notice().
 *
 * A fork before that check makes every clone fail it. A fork after it makes
 * every clone give away the same bytes. There is no third case.
 */
#ifndef _FORKGUARD_GENERATION_H
#define _FORKGUARD_GENERATION_H

#include <asm/barrier.h>
#include <linux/compiler.h>
#include <linux/limits.h>
#include <linux/types.h>
#include <uapi/linux/forkguard.h>

/**
 * struct generation_scope - whose secrets one forced reset makes stale
 * @parent: the scope around this one; the outermost is &generation_root
 * @epoch: resets of this scope; only grows. Written by generation.c alone
 */
struct generation_scope {
	const struct generation_scope *parent;
	u64 epoch;
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

extern struct generation_scope generation_root;

/* Use the functions below. */
extern const u64 *generation_id;
extern bool generation_frozen;

static inline u64 fwg_generation_epoch(const struct generation_scope *scope)
{
	u64 epoch = 0;

	/* Each addend only grows: equal sums mean that no addend has changed. */
	for (; scope; scope = scope->parent)
		epoch += READ_ONCE(scope->epoch);
	return epoch;
}

/**
 * fwg_generation_read() - read the stamp of the running generation
 * @scope: the scope in which the secret will live
 *
 * Context: any.
 * Return: the stamp; one that is never current while the machine is about to
 * sleep, so that no image of it holds a secret that is of use.
 */
static inline struct generation_stamp fwg_generation_read(const struct generation_scope *scope)
{
	struct generation_stamp stamp = {
		.id = { READ_ONCE(generation_id[0]), READ_ONCE(generation_id[1]) },
		.epoch = fwg_generation_epoch(scope),
	};

	/* Pairs with fwg_advance(). */
	smp_rmb();
	if (unlikely(READ_ONCE(generation_frozen)))
		stamp.epoch = GENERATION_NEVER;
	/* What the caller draws comes after. */
	smp_rmb();
	return stamp;
}

/**
 * fwg_generation_is_current() - was a stamp read in the running generation?
 * @scope: the scope with which the stamp was read
 * @stamp: the stamp; may be revoked meanwhile by fwg_generation_revoke()
 *
 * All that the caller has computed before is computed before the check. A fork
 * falls between two instructions of a CPU, so for forks a compiler barrier is
 * enough; the read barrier pairs with that of fwg_generation_revoke() and of forced
 * resets, where another CPU wipes the secret.
 *
 * Context: any.
 */
static inline bool fwg_generation_is_current(const struct generation_scope *scope,
					     const struct generation_stamp *stamp)
{
	barrier();
	/* Pairs with fwg_generation_revoke() and fwg_advance(). */
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
 * Whoever still computes with the secret may see it half wiped, but then finds
 * the stamp stale.
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
 * typedef generation_reset_fn - wipe what is stale in a scope
 * @scope: the scope that was reset: the root, or the one that was given to
 *	fwg_generation_force()
 * @cause: why
 *
 * Called in process context, one call at a time, without any lock that is
 * held in a call to this layer.
 */
typedef void (*generation_reset_fn)(const struct generation_scope *scope,
				    enum forkguard_reset_cause cause);

int fwg_generation_init(generation_reset_fn reset);
void fwg_generation_exit(void);

void fwg_generation_notice(void);
void fwg_generation_force(struct generation_scope *scope);
void fwg_generation_draw(const struct generation_stamp *stamp, void *out, size_t len);

enum forkguard_generation_source fwg_generation_source(void);
enum forkguard_generation_check fwg_generation_check(void);
bool fwg_generation_tag(u8 tag[FORKGUARD_GENERATION_TAG_LEN]);
u64 fwg_generation_forks(void);

#endif /* _FORKGUARD_GENERATION_H */
