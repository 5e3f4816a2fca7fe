// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of noise. They include its private headers.
 *
 * A fork is simulated by running one sequence of operations, a life, several times:
 * with the same random bytes and the same clock, all runs are the same up to a chosen
 * step. There each clone gets its own generation ID, and then they differ.
 */

#include "clock.h"
#include "generation_test.h"
#include "noise/pattern.h"
#include "noise/seal.h"
#include "noise/session.h"
#include "noise/symmetric.h"
#include "noise_vector.h"

#include <kunit/test.h>
#include <linux/hash.h>
#include <linux/hrtimer.h>
#include <linux/random.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#define TEXT_LEN 32
#define DATA_LEN (sizeof(struct message_data) + TEXT_LEN + NOISE_TAG_LEN)

static u64 test_id[2];
static const u64 *real_id;
static generation_reset_fn real_reset;

/* The event of a test, and the step before which it happens. */
static struct {
	unsigned int count; /* steps so far */
	unsigned int at; /* the step before which it happens; 0 for never */
	void (*happens)(void);
	unsigned int diffie_hellmans; /* so far */
	unsigned int without_bhs; /* of these, with BHs disabled */
} steps;

/* The random bytes and the clocks of a test. */
static struct {
	bool fixed;
	u64 outside; /* not part of a snapshot: cycles, the time of day */
	u32 drawn;
	bool unseeded; /* until wait_for_random_bytes() is called */
	u32 early; /* draws before that */
	struct timespec64 now;
	u64 boottime; /* ns */
} nature;

void test_step(void)
{
	if (steps.at && ++steps.count == steps.at) {
		steps.at = 0;
		steps.happens();
	}
}

void test_step_diffie_hellman(void)
{
	steps.diffie_hellmans++;
	steps.without_bhs += !!in_softirq();
	test_step();
}

static void happens_at(unsigned int step, void (*happens)(void))
{
	steps.count = 0;
	steps.at = step;
	steps.happens = happens;
}

void test_random_bytes(void *buf, size_t len)
{
	u8 *bytes = buf;

	nature.early += nature.unseeded;
	if (!nature.fixed) {
		(get_random_bytes)(buf, len);
		return;
	}
	while (len--)
		*bytes++ = hash_32(++nature.drawn, 8);
}

int test_wait_for_random_bytes(void)
{
	nature.unseeded = false;
	return 0;
}

void test_fix_nature(void)
{
	memset(&nature, 0, sizeof(nature));
	nature.fixed = true;
	nature.now.tv_sec = 1000000;
	nature.boottime = 1000 * NSEC_PER_SEC;
}

void test_free_nature(void)
{
	nature.fixed = false;
}

u64 test_outside(u64 value)
{
	return nature.fixed ? nature.outside : value;
}

void test_set_outside(u64 value)
{
	nature.outside = value;
}

struct timespec64 test_clock_now(void)
{
	return nature.fixed ? nature.now : (fwg_clock_now)();
}

u64 test_boottime_ns(void)
{
	return nature.fixed ? nature.boottime : (ktime_get_coarse_boottime_ns)();
}

static bool is_current(const struct noise_peer *peer, const struct generation_stamp *stamp)
{
	return (fwg_generation_is_current)(&peer->scope, stamp);
}

static void set_id(u64 id)
{
	test_id[0] = id;
	test_id[1] = ~id;
}

/* Two devices that are each other's only peer. */
struct side {
	struct noise_local *local;
	struct noise_peer *peer;
	u8 private_key[NOISE_PUBLIC_KEY_LEN];
	u8 public_key[NOISE_PUBLIC_KEY_LEN];
};

struct world {
	struct side a, b;
	struct message_initiation *initiation;
	struct message_response *response;
	struct message_cookie *cookie;
	u8 *data;
};

static bool owner_hold(struct fwg_peer *owner)
{
	return true;
}

static void owner_release(struct fwg_peer *owner)
{
}

static const struct noise_owner_ops owner_ops = { owner_hold, owner_release };

static void side_create(struct kunit *test, struct side *side, u8 seed)
{
	memset(side->private_key, seed, NOISE_PUBLIC_KEY_LEN);
	curve25519_clamp_secret(side->private_key);
	side->local = fwg_noise_local_create(&owner_ops);
	KUNIT_ASSERT_FALSE(test, IS_ERR(side->local));
	fwg_noise_local_set_private_key(side->local, side->private_key);
	KUNIT_ASSERT_TRUE(test, fwg_noise_local_identity(side->local, NULL, side->public_key));
}

static void sides_meet(struct kunit *test, struct side *side, const struct side *other)
{
	static const u8 psk[NOISE_SYMMETRIC_KEY_LEN] = "a pre-shared key of 32 bytes ...";

	side->peer =
		fwg_noise_peer_create(side->local, (struct fwg_peer *)side, other->public_key, psk);
	KUNIT_ASSERT_NOT_NULL(test, side->peer);
	KUNIT_ASSERT_EQ(test, fwg_noise_peer_publish(side->peer), 0);
}

static void world_create(struct kunit *test, struct world *world)
{
	world->initiation = kunit_kzalloc(test, sizeof(*world->initiation), GFP_KERNEL);
	world->response = kunit_kzalloc(test, sizeof(*world->response), GFP_KERNEL);
	world->cookie = kunit_kzalloc(test, sizeof(*world->cookie), GFP_KERNEL);
	world->data = kunit_kzalloc(test, DATA_LEN, GFP_KERNEL);
	KUNIT_ASSERT_TRUE(test,
			  world->initiation && world->response && world->cookie && world->data);
	side_create(test, &world->a, 'a');
	side_create(test, &world->b, 'b');
	sides_meet(test, &world->a, &world->b);
	sides_meet(test, &world->b, &world->a);
}

static void side_destroy(struct side *side)
{
	fwg_noise_peer_remove(side->peer);
	fwg_noise_peer_free(side->peer);
	fwg_noise_local_destroy(side->local);
}

static void world_destroy(struct kunit *test, struct world *world)
{
	side_destroy(&world->a);
	side_destroy(&world->b);
	kunit_kfree(test, world->initiation);
	kunit_kfree(test, world->response);
	kunit_kfree(test, world->cookie);
	kunit_kfree(test, world->data);
}

/* Let time pass between handshakes, because their rate is limited. */
static void wait_a_second(void)
{
	nature.now.tv_sec++;
	nature.boottime += NSEC_PER_SEC;
}

static int side_begin(struct side *side, struct message_initiation *msg)
{
	return fwg_noise_initiate(side->peer, msg);
}

static int side_answer(struct side *side, const struct message_initiation *in,
		       struct message_response *out)
{
	struct fwg_peer *owner;

	return fwg_noise_respond(side->local, in, out, &owner);
}

static int side_finish(struct side *side, const struct message_response *in)
{
	struct fwg_peer *owner;

	return fwg_noise_finish(side->local, in, &owner);
}

static int begin(struct world *world)
{
	return side_begin(&world->a, world->initiation);
}

static int answer(struct world *world)
{
	return side_answer(&world->b, world->initiation, world->response);
}

static int finish(struct world *world)
{
	return side_finish(&world->a, world->response);
}

static const struct noise_source source_of_a = { .port = cpu_to_be16(51820) };

/* The responder, under load, answers with a cookie reply. */
static int give_cookie(struct world *world)
{
	fwg_noise_add_macs(world->a.peer, world->initiation, sizeof(*world->initiation));
	world->cookie->receiver_index = world->initiation->sender_index;
	return fwg_noise_give_cookie(world->b.local, world->initiation, sizeof(*world->initiation),
				     &source_of_a, world->cookie);
}

static int take_cookie(struct world *world)
{
	return fwg_noise_take_cookie(world->a.local, world->cookie);
}

/* Encrypt @text for the wire. */
static int seal_text(struct noise_session *session, u8 *data, const char *text)
{
	struct message_data *header = (struct message_data *)data;
	struct scatterlist sg;
	int err;

	strscpy_pad((char *)(header + 1), text, TEXT_LEN);
	sg_init_one(&sg, header + 1, TEXT_LEN + NOISE_TAG_LEN);
	local_bh_disable();
	rcu_read_lock();
	err = fwg_noise_seal(session, &sg, TEXT_LEN, header);
	rcu_read_unlock();
	local_bh_enable();
	return err;
}

static u64 nonce_of(const u8 *data)
{
	return le64_to_cpu(((const struct message_data *)data)->counter);
}

static int send_text(struct side *from, u8 *data, const char *text)
{
	struct noise_session *session;
	int err = -ENOTCONN;

	rcu_read_lock();
	session = fwg_noise_session_current(from->peer);
	if (session)
		err = seal_text(session, data, text);
	rcu_read_unlock();
	return err;
}

static int receive_text(struct side *to, u8 *data)
{
	struct message_data *header = (struct message_data *)data;
	struct noise_session *session;
	struct scatterlist sg;
	int err = -ENOTCONN;

	sg_init_one(&sg, header + 1, TEXT_LEN + NOISE_TAG_LEN);
	local_bh_disable();
	rcu_read_lock();
	session = fwg_noise_session_find(to->local, header->receiver_index);
	if (session)
		err = fwg_noise_open(session, &sg, TEXT_LEN + NOISE_TAG_LEN, header);
	if (!err)
		fwg_noise_session_confirm(session);
	rcu_read_unlock();
	local_bh_enable();
	return err;
}

/* Make a session that both sides have used. */
static void connect(struct kunit *test, struct world *world)
{
	wait_a_second();
	KUNIT_ASSERT_EQ(test, begin(world), 0);
	KUNIT_ASSERT_EQ(test, answer(world), 0);
	KUNIT_ASSERT_EQ(test, finish(world), 0);
	KUNIT_ASSERT_EQ(test, send_text(&world->a, world->data, "hello"), 0);
	KUNIT_ASSERT_EQ(test, receive_text(&world->b, world->data), 0);
	KUNIT_ASSERT_STREQ(test, (char *)world->data + sizeof(struct message_data), "hello");
	KUNIT_ASSERT_EQ(test, send_text(&world->b, world->data, "hello yourself"), 0);
	KUNIT_ASSERT_EQ(test, receive_text(&world->a, world->data), 0);
}

static struct noise_session *session_of(struct side *side, enum slot slot)
{
	return rcu_dereference_protected(side->peer->slots[slot], true);
}

/* The messages of crossing handshakes that a world lacks: it has those of a's handshake. */
struct crossing {
	struct message_initiation *initiation;
	struct message_response *response;
	u8 *from_a, *from_b; /* data in flight */
};

/* Makes a world whose sides are connected. */
static void crossing_create(struct kunit *test, struct world *world, struct crossing *crossing)
{
	world_create(test, world);
	connect(test, world);
	crossing->initiation = kunit_kzalloc(test, sizeof(*crossing->initiation), GFP_KERNEL);
	crossing->response = kunit_kzalloc(test, sizeof(*crossing->response), GFP_KERNEL);
	crossing->from_a = kunit_kzalloc(test, DATA_LEN, GFP_KERNEL);
	crossing->from_b = kunit_kzalloc(test, DATA_LEN, GFP_KERNEL);
	KUNIT_ASSERT_TRUE(test, crossing->initiation && crossing->response);
	KUNIT_ASSERT_TRUE(test, crossing->from_a && crossing->from_b);
}

/* Both sides begin, both answer, both finish. */
static void both_begin(struct kunit *test, struct world *world, struct crossing *crossing)
{
	wait_a_second();
	KUNIT_ASSERT_EQ(test, begin(world), 0);
	KUNIT_ASSERT_EQ(test, side_begin(&world->b, crossing->initiation), 0);
	KUNIT_ASSERT_EQ(test, answer(world), 0);
	KUNIT_ASSERT_EQ(test, side_answer(&world->a, crossing->initiation, crossing->response), 0);
}

static void both_finish(struct kunit *test, struct world *world, struct crossing *crossing)
{
	KUNIT_ASSERT_EQ(test, finish(world), 0);
	KUNIT_ASSERT_EQ(test, side_finish(&world->b, crossing->response), 0);
}

/* Both sides send data, then both receive it. */
static void both_talk(struct kunit *test, struct world *world, struct crossing *crossing)
{
	KUNIT_EXPECT_EQ(test, send_text(&world->a, crossing->from_a, "to b"), 0);
	KUNIT_EXPECT_EQ(test, send_text(&world->b, crossing->from_b, "to a"), 0);
	KUNIT_EXPECT_EQ(test, receive_text(&world->b, crossing->from_a), 0);
	KUNIT_EXPECT_EQ(test, receive_text(&world->a, crossing->from_b), 0);
}

/* Two handshakes cross, with data in flight. */
static void cross(struct kunit *test, struct world *world, struct crossing *crossing)
{
	both_begin(test, world, crossing);
	KUNIT_EXPECT_EQ(test, send_text(&world->a, crossing->from_a, "in flight"), 0);
	KUNIT_EXPECT_EQ(test, send_text(&world->b, crossing->from_b, "in flight"), 0);
	both_finish(test, world, crossing);
	KUNIT_EXPECT_EQ_MSG(test, receive_text(&world->a, crossing->from_b), 0, "lost");
	KUNIT_EXPECT_EQ_MSG(test, receive_text(&world->b, crossing->from_a), 0, "lost");
	both_talk(test, world, crossing);
	both_talk(test, world, crossing);
}

/* ---- forks at every step ---- */

enum life_limit {
	MAX_OUTPUTS = 48,
	MAX_SECRETS = 48,
	ROUNDS = 3
};

/* A message that was sent; of handshakes, without MACs. */
struct output {
	u8 key[NOISE_PUBLIC_KEY_LEN]; /* must not occur twice with different bytes */
	u8 bytes[sizeof(struct message_initiation)];
};

/* A secret, and the generation in which it was used. */
struct secret {
	u64 id;
	u8 bytes[NOISE_SYMMETRIC_KEY_LEN];
};

/* One of the lives of a machine that is forked. */
struct life {
	char name;
	u64 id; /* generation ID after the fork */
	bool forked;
	unsigned int outputs, secrets;
	struct output output[MAX_OUTPUTS];
	struct secret secret[MAX_SECRETS];
	unsigned int rounds[ROUNDS]; /* steps until the end of each round */
	struct noise_session *sealing;
	u8 other[DATA_LEN]; /* a packet that another CPU is sealing */
};

static struct kunit *living_test;
static struct life *living;

static void note_output(const void *key, size_t key_len, const void *bytes, size_t len)
{
	struct output *output = &living->output[living->outputs];

	KUNIT_ASSERT_LT(living_test, living->outputs, (unsigned int)MAX_OUTPUTS);
	living->outputs++;
	memcpy(output->key, key, key_len);
	memcpy(output->bytes, bytes, len);
}

static void note_secret(const u8 bytes[NOISE_SYMMETRIC_KEY_LEN])
{
	struct secret *secret = &living->secret[living->secrets];

	KUNIT_ASSERT_LT(living_test, living->secrets, (unsigned int)MAX_SECRETS);
	living->secrets++;
	secret->id = test_id[0];
	memcpy(secret->bytes, bytes, sizeof(secret->bytes));
}

static void note_data(const u8 *data)
{
	note_output(data, sizeof(struct message_data), data, DATA_LEN);
}

/*
 * The machine is forked here. In one of the clones another CPU, which has passed the
 * cheap check with a packet of its own, continues first.
 */
static void fork_happens(void)
{
	struct noise_session *session = living->sealing;
	struct message_data *header = (struct message_data *)living->other;
	struct scatterlist sg;
	u64 nonce;

	set_id(living->id);
	living->forked = true;
	nature.now.tv_nsec += living->name * NSEC_PER_MSEC;
	if (!session || living->name != 'A')
		return;
	strscpy_pad((char *)(header + 1), "another CPU's packet", TEXT_LEN);
	sg_init_one(&sg, header + 1, TEXT_LEN + NOISE_TAG_LEN);
	nonce = (atomic64_fetch_add_unless)(&session->nonce, 1, REJECT_AFTER_MESSAGES);
	header->type = cpu_to_le32(MESSAGE_DATA);
	header->receiver_index = session->remote_index;
	header->counter = cpu_to_le64(nonce);
	if (!fwg_seal(&sg, TEXT_LEN, NULL, 0, nonce, session->send_key, &session->peer->scope,
		      &session->stamp))
		note_data(living->other);
}

/* Did the fork happen during an operation, not before its first step? */
static bool forked_within(bool forked_before, unsigned int first_step)
{
	return living->forked && !forked_before && steps.count > first_step;
}

static bool live_handshake(struct kunit *test, struct world *world)
{
	struct noise_session *session;
	unsigned int first;
	bool forked;
	int err;

	wait_a_second();
	if (begin(world))
		return false;
	KUNIT_EXPECT_TRUE(test, is_current(world->a.peer, &world->a.peer->handshake.stamp));
	note_secret(world->a.peer->handshake.ephemeral_private);
	note_output(world->initiation->ephemeral, NOISE_PUBLIC_KEY_LEN, world->initiation,
		    offsetof(struct message_initiation, macs));

	if (!give_cookie(world)) {
		note_secret(world->b.local->cookie_secret.secret);
		note_output(world->cookie->nonce, sizeof(world->cookie->nonce),
			    world->cookie->encrypted_cookie,
			    sizeof(world->cookie->encrypted_cookie));
		forked = living->forked;
		if (!take_cookie(world))
			KUNIT_EXPECT_EQ_MSG(test, living->forked, forked,
					    "a cookie of another generation was taken");
	}

	forked = living->forked;
	first = steps.count + 1;
	err = answer(world);
	if (err)
		return false;
	KUNIT_EXPECT_FALSE_MSG(test, forked_within(forked, first),
			       "answered in another generation");
	session = session_of(&world->b, SLOT_NEXT);
	KUNIT_EXPECT_TRUE(test, is_current(world->b.peer, &session->stamp));
	note_secret(session->send_key);
	note_secret(session->receive_key);
	note_output(world->response->ephemeral, NOISE_PUBLIC_KEY_LEN, world->response,
		    offsetof(struct message_response, macs));

	forked = living->forked;
	err = finish(world);
	if (err)
		return false;
	KUNIT_EXPECT_EQ_MSG(test, living->forked, forked, "finished in another generation");
	session = session_of(&world->a, SLOT_CURRENT);
	KUNIT_EXPECT_TRUE(test, is_current(world->a.peer, &session->stamp));
	note_secret(session->send_key);
	return true;
}

static bool live_talk(struct kunit *test, struct world *world, struct side *from, struct side *to)
{
	struct noise_session *session = session_of(from, SLOT_CURRENT);
	char text[TEXT_LEN];
	int err;

	if (!session)
		return false;
	snprintf(text, sizeof(text), "clone %c has said %u", living->forked ? living->name : 'O',
		 living->outputs);
	living->sealing = session;
	err = seal_text(session, world->data, text);
	living->sealing = NULL;
	if (err) {
		KUNIT_EXPECT_TRUE(test, err == -ESTALE || err == -EAGAIN);
		return false;
	}
	KUNIT_EXPECT_TRUE_MSG(test, is_current(from->peer, &session->stamp),
			      "a ciphertext came out under a stale stamp");
	note_data(world->data);
	return !receive_text(to, world->data);
}

static void live_round(struct kunit *test, struct world *world, bool must_work)
{
	bool ok = false;
	int tries;

	for (tries = 0; tries < 2 && !ok; tries++) {
		/* The reset is late in one of the clones, and early in the other. */
		if (living->forked && living->name == 'B') {
			fwg_noise_peer_reset(world->a.peer);
			fwg_noise_peer_reset(world->b.peer);
		}
		ok = live_handshake(test, world);
	}
	KUNIT_EXPECT_TRUE_MSG(test, ok, "no handshake after a fork");
	ok = live_talk(test, world, &world->a, &world->b) &&
	     live_talk(test, world, &world->b, &world->a) &&
	     live_talk(test, world, &world->a, &world->b);
	KUNIT_EXPECT_TRUE_MSG(test, ok || !must_work, "no talk after a fork");
}

/* Run a life with a fork before @step. */
static void live(struct kunit *test, struct life *life, char name, u64 id, unsigned int step)
{
	struct world world;
	int i;

	memset(life, 0, sizeof(*life));
	life->name = name;
	life->id = id;
	living = life;
	living_test = test;
	test_fix_nature();
	set_id(1);
	world_create(test, &world);

	happens_at(step, fork_happens);
	for (i = 0; i < ROUNDS; i++) {
		live_round(test, &world, i == ROUNDS - 1);
		life->rounds[i] = steps.count;
	}
	happens_at(0, NULL);

	/* A very late reset wipes nothing new (R7). */
	KUNIT_EXPECT_LE(test, fwg_noise_peer_reset(world.a.peer), NOISE_WIPED_OLD);
	KUNIT_EXPECT_NOT_NULL(test, session_of(&world.a, SLOT_CURRENT));
	world_destroy(test, &world);
}

/* Forbidden in related machines: different bytes under one key, one secret in two generations. */
static void audit(struct kunit *test, const struct life *x, const struct life *y, unsigned int step)
{
	unsigned int i, j;

	for (i = 0; i < x->outputs; i++)
		for (j = 0; j < y->outputs; j++)
			if (!memcmp(x->output[i].key, y->output[j].key, sizeof(x->output[i].key)) &&
			    memcmp(x->output[i].bytes, y->output[j].bytes,
				   sizeof(x->output[i].bytes)))
				KUNIT_FAIL(test, "step %u: %c and %c reuse a nonce: type %u\n",
					   step, x->name, y->name, x->output[i].bytes[0]);
	for (i = 0; i < x->secrets; i++)
		for (j = 0; j < y->secrets; j++)
			if (x->secret[i].id != y->secret[j].id &&
			    !memcmp(x->secret[i].bytes, y->secret[j].bytes,
				    sizeof(x->secret[i].bytes)))
				KUNIT_FAIL(test, "step %u: %c and %c share a secret\n", step,
					   x->name, y->name);
}

/* R1, R2, R3, R5, R7: fork before every step of a life, including rekeying. */
static void forks_everywhere(struct kunit *test)
{
	struct life *original = kunit_kzalloc(test, sizeof(*original), GFP_KERNEL);
	struct life *a = kunit_kzalloc(test, sizeof(*a), GFP_KERNEL);
	struct life *b = kunit_kzalloc(test, sizeof(*b), GFP_KERNEL);
	unsigned int step, last;

	KUNIT_ASSERT_TRUE(test, original && a && b);
	live(test, original, 'O', 1, UINT_MAX);
	KUNIT_EXPECT_EQ(test, original->outputs, ROUNDS * 6U);
	last = original->rounds[ROUNDS - 2];
	KUNIT_EXPECT_GT(test, last, 150U);
	for (step = 1; step <= last; step++) {
		live(test, a, 'A', 0xa, step);
		live(test, b, 'B', 0xb, step);
		KUNIT_EXPECT_TRUE(test, a->forked && b->forked);
		audit(test, original, a, step);
		audit(test, original, b, step);
		audit(test, a, b, step);
	}
	kunit_info(test, "%u fork points, 3 relatives each\n", last);
}

/* ---- one rule at a time ---- */

/* A booting machine draws no keys that can be guessed. */
static void drawing_waits_for_randomness(struct kunit *test)
{
	struct world world;
	u8 byte;

	world_create(test, &world);
	nature.early = 0;
	nature.unseeded = true;
	KUNIT_EXPECT_EQ(test, begin(&world), 0);
	nature.unseeded = true;
	KUNIT_EXPECT_EQ(test, answer(&world), 0);
	KUNIT_EXPECT_EQ(test, nature.early, 0U);

	/* An early draw would be counted. */
	nature.unseeded = true;
	test_random_bytes(&byte, 1);
	nature.unseeded = false;
	KUNIT_EXPECT_EQ(test, nature.early, 1U);
	world_destroy(test, &world);
}

/* R5: a handshake that began before a fork does not finish after it. */
static void fork_ends_handshake(struct kunit *test)
{
	struct world world;

	world_create(test, &world);
	KUNIT_ASSERT_EQ(test, begin(&world), 0);
	KUNIT_ASSERT_EQ(test, answer(&world), 0);
	set_id(2);
	KUNIT_EXPECT_EQ(test, finish(&world), -ESTALE);
	KUNIT_EXPECT_NULL(test, session_of(&world.a, SLOT_CURRENT));
	world_destroy(test, &world);
}

/* R5: nothing is accepted under a stale key, not even if the fork is late. */
static void stale_key_opens_nothing(struct kunit *test)
{
	struct world world;

	world_create(test, &world);
	connect(test, &world);
	KUNIT_ASSERT_EQ(test, send_text(&world.a, world.data, "too late"), 0);
	set_id(2);
	KUNIT_EXPECT_EQ(test, receive_text(&world.b, world.data), -ESTALE);
	world_destroy(test, &world);
}

static void fork_to_3(void)
{
	set_id(3);
}

static void fork_while_opening(struct kunit *test)
{
	struct world world;
	unsigned int step;

	for (step = 1; step <= 3; step++) {
		set_id(1);
		world_create(test, &world);
		connect(test, &world);
		KUNIT_ASSERT_EQ(test, send_text(&world.a, world.data, "not quite in time"), 0);
		happens_at(step, fork_to_3);
		KUNIT_EXPECT_EQ(test, receive_text(&world.b, world.data), -ESTALE);
		KUNIT_EXPECT_EQ_MSG(test, steps.at, 0U, "not forked");
		happens_at(0, NULL);
		world_destroy(test, &world);
	}
}

/* R4: a session that is known to be stale leaves the plaintext unchanged. */
static void stale_session_spares_plaintext(struct kunit *test)
{
	struct world world;

	world_create(test, &world);
	connect(test, &world);
	set_id(2);
	KUNIT_EXPECT_EQ(test, send_text(&world.a, world.data, "keep me"), -EAGAIN);
	KUNIT_EXPECT_STREQ(test, (char *)world.data + sizeof(struct message_data), "keep me");
	world_destroy(test, &world);
}

/* R3: refused ciphertext is wiped. */
static void refused_ciphertext_is_wiped(struct kunit *test)
{
	struct message_data *header;
	struct world world;

	world_create(test, &world);
	connect(test, &world);
	/* The steps: check, limit, nonce, encryption, check. */
	happens_at(5, fork_to_3);
	KUNIT_EXPECT_EQ(test, send_text(&world.a, world.data, "wipe me"), -ESTALE);
	KUNIT_EXPECT_EQ_MSG(test, steps.at, 0U, "not forked");
	happens_at(0, NULL);
	header = (struct message_data *)world.data;
	KUNIT_EXPECT_NULL(test, memchr_inv(header + 1, 0, TEXT_LEN + NOISE_TAG_LEN));
	world_destroy(test, &world);
}

static bool contains(const void *where, size_t size, const u8 *what, size_t len)
{
	const u8 *p = where;

	for (; size >= len; p++, size--)
		if (!memcmp(p, what, len))
			return true;
	return false;
}

/* R6: after a reset no byte of a session or handshake is left. */
static void reset_wipes_everything(struct kunit *test)
{
	u8 keys[SLOTS][2][NOISE_SYMMETRIC_KEY_LEN], ephemeral[NOISE_PUBLIC_KEY_LEN];
	u8 chaining_key[NOISE_HASH_LEN];
	struct noise_session *sessions[SLOTS];
	struct crossing crossing;
	struct noise_peer *peer;
	struct world world;
	enum slot i;

	crossing_create(test, &world, &crossing);
	cross(test, &world, &crossing);
	peer = world.b.peer;
	/* Two sessions of the crossing, the one before, an unconfirmed one, and a handshake. */
	wait_a_second();
	KUNIT_ASSERT_EQ(test, begin(&world), 0);
	KUNIT_ASSERT_EQ(test, answer(&world), 0);
	KUNIT_ASSERT_EQ(test, fwg_noise_initiate(peer, world.initiation), 0);
	memcpy(ephemeral, peer->handshake.ephemeral_private, sizeof(ephemeral));
	memcpy(chaining_key, peer->handshake.chaining_key, sizeof(chaining_key));

	rcu_read_lock();
	for (i = 0; i < SLOTS; i++) {
		sessions[i] = session_of(&world.b, i);
		KUNIT_ASSERT_NOT_NULL(test, sessions[i]);
		memcpy(keys[i][0], sessions[i]->send_key, NOISE_SYMMETRIC_KEY_LEN);
		memcpy(keys[i][1], sessions[i]->receive_key, NOISE_SYMMETRIC_KEY_LEN);
		KUNIT_EXPECT_NOT_NULL(test, memchr_inv(keys[i], 0, sizeof(keys[i])));
	}
	set_id(2);
	KUNIT_EXPECT_EQ(test, fwg_noise_peer_reset(peer), NOISE_WIPED_LIVE);
	for (i = 0; i < SLOTS; i++) {
		KUNIT_EXPECT_NULL(test, session_of(&world.b, i));
		KUNIT_EXPECT_FALSE(test, contains(sessions[i], sizeof(*sessions[i]), keys[i][0],
						  NOISE_SYMMETRIC_KEY_LEN));
		KUNIT_EXPECT_FALSE(test, contains(sessions[i], sizeof(*sessions[i]), keys[i][1],
						  NOISE_SYMMETRIC_KEY_LEN));
		KUNIT_EXPECT_EQ(test, (atomic64_read)(&sessions[i]->nonce), 0LL);
		KUNIT_EXPECT_EQ(test, sessions[i]->replay.next, 0ULL);
		KUNIT_EXPECT_NULL(test, memchr_inv(sessions[i]->replay.seen, 0,
						   sizeof(sessions[i]->replay.seen)));
		KUNIT_EXPECT_EQ(test, seal_text(sessions[i], world.data, "no"), -EAGAIN);
	}
	rcu_read_unlock();
	KUNIT_EXPECT_NULL(test, peer->pending);
	KUNIT_EXPECT_NULL(test, memchr_inv(&peer->handshake, 0, sizeof(peer->handshake)));
	KUNIT_EXPECT_FALSE(test, contains(peer, sizeof(*peer), ephemeral, sizeof(ephemeral)));
	KUNIT_EXPECT_FALSE(test, contains(peer, sizeof(*peer), chaining_key, NOISE_HASH_LEN));
	/* A second reset of the same generation finds nothing. */
	KUNIT_EXPECT_EQ(test, fwg_noise_peer_reset(peer), NOISE_WIPED_NOTHING);
	world_destroy(test, &world);
}

/* R7: secrets of the running generation survive a late reset. */
static void reset_spares_what_is_new(struct kunit *test)
{
	struct world world;

	world_create(test, &world);
	connect(test, &world);
	set_id(2);
	wait_a_second();
	KUNIT_ASSERT_EQ(test, begin(&world), 0);
	KUNIT_EXPECT_EQ(test, fwg_noise_peer_reset(world.a.peer), NOISE_WIPED_BEGUN);
	KUNIT_EXPECT_NULL(test, session_of(&world.a, SLOT_CURRENT));
	KUNIT_EXPECT_EQ(test, answer(&world), 0);
	KUNIT_EXPECT_EQ(test, finish(&world), 0);
	world_destroy(test, &world);
}

static struct noise_peer *ending;

static void sessions_end(void)
{
	fwg_noise_peer_clear(ending);
}

/*
 * R6: if a session ends, without a fork, while a packet is being sealed, the packet is
 * sealed with the session's key or not at all; never with a wiped key.
 */
static void ending_session_seals_as_before_or_nothing(struct kunit *test)
{
	u8 key[NOISE_SYMMETRIC_KEY_LEN], expected[TEXT_LEN + NOISE_TAG_LEN];
	struct noise_session *session;
	char text[TEXT_LEN] = "last words";
	unsigned int step;
	struct world world;
	bool ended = true;
	int err;

	for (step = 1; ended; step++) {
		world_create(test, &world);
		connect(test, &world);
		rcu_read_lock();
		session = session_of(&world.a, SLOT_CURRENT);
		memcpy(key, session->send_key, sizeof(key));
		ending = world.a.peer;
		happens_at(step, sessions_end);
		err = seal_text(session, world.data, text);
		ended = !steps.at;
		happens_at(0, NULL);
		rcu_read_unlock();
		KUNIT_EXPECT_EQ(test, err == 0, !ended);
		if (!err) {
			chacha20poly1305_encrypt(expected, text, TEXT_LEN, NULL, 0,
						 nonce_of(world.data), key);
			err = memcmp(expected, world.data + sizeof(struct message_data),
				     sizeof(expected));
			KUNIT_EXPECT_EQ(test, err, 0);
		}
		world_destroy(test, &world);
	}
	KUNIT_EXPECT_GT(test, step, 5U);
}

/* R5: ... and accepts nothing. */
static void ending_session_opens_nothing(struct kunit *test)
{
	struct world world;
	unsigned int step;
	bool ended = true;
	int err;

	for (step = 1; ended; step++) {
		world_create(test, &world);
		connect(test, &world);
		KUNIT_ASSERT_EQ(test, send_text(&world.a, world.data, "last words"), 0);
		ending = world.b.peer;
		happens_at(step, sessions_end);
		err = receive_text(&world.b, world.data);
		ended = !steps.at;
		happens_at(0, NULL);
		KUNIT_EXPECT_EQ(test, err == 0, !ended);
		world_destroy(test, &world);
	}
	KUNIT_EXPECT_GT(test, step, 3U);
}

/* A handshake that began with another identity does not finish. */
static void new_identity_ends_handshake(struct kunit *test)
{
	static const u8 other[NOISE_PUBLIC_KEY_LEN] = { 'o' };
	struct world world;

	world_create(test, &world);
	KUNIT_ASSERT_EQ(test, begin(&world), 0);
	KUNIT_ASSERT_EQ(test, answer(&world), 0);
	fwg_noise_local_set_private_key(world.a.local, other);
	KUNIT_EXPECT_EQ(test, finish(&world), -ESTALE);
	world_destroy(test, &world);
}

/* A forced reset of one peer makes that peer's secrets stale, and no other's. */
static void forced_reset_is_of_its_scope(struct kunit *test)
{
	struct world world;

	world_create(test, &world);
	connect(test, &world);
	fwg_generation_advance(fwg_noise_peer_scope(world.b.peer));
	KUNIT_EXPECT_EQ(test, send_text(&world.a, world.data, "works"), 0);
	KUNIT_EXPECT_EQ(test, send_text(&world.b, world.data, "does not"), -EAGAIN);
	connect(test, &world);
	fwg_generation_advance(fwg_noise_local_scope(world.a.local));
	KUNIT_EXPECT_EQ(test, send_text(&world.a, world.data, "does not"), -EAGAIN);
	KUNIT_EXPECT_EQ(test, send_text(&world.b, world.data, "works"), 0);
	connect(test, &world);
	fwg_generation_advance(&generation_root);
	KUNIT_EXPECT_EQ(test, send_text(&world.a, world.data, "does not"), -EAGAIN);
	KUNIT_EXPECT_EQ(test, send_text(&world.b, world.data, "does not"), -EAGAIN);
	world_destroy(test, &world);
}

/* R8: the timestamps of our initiations always increase, whatever the clock does. */
static void timestamps_never_go_back(struct kunit *test)
{
	static const time64_t clock[] = { 1000, 1001, 1001, 5, 1000, 2000, 0 };
	u8 last[NOISE_TIMESTAMP_LEN] = {};
	struct world world;
	int i;

	world_create(test, &world);
	for (i = 0; i < ARRAY_SIZE(clock); i++) {
		wait_a_second();
		nature.now.tv_sec = clock[i];
		KUNIT_ASSERT_EQ(test, begin(&world), 0);
		KUNIT_EXPECT_EQ(test, answer(&world), 0);
		KUNIT_EXPECT_GT(test, memcmp(world.b.peer->last_timestamp, last, sizeof(last)), 0);
		memcpy(last, world.b.peer->last_timestamp, sizeof(last));
	}
	/* ... not even over a fork and a reset. */
	nature.now.tv_sec = 2000;
	connect(test, &world);
	set_id(2);
	fwg_noise_peer_reset(world.a.peer);
	nature.now.tv_sec = 1000;
	connect(test, &world);
	world_destroy(test, &world);
}

/* ... and do not reveal how long computations take on this machine. */
static void timestamps_are_coarse(struct kunit *test)
{
	static const long nsec[] = { 17000000, 33000000 };
	u8 timestamps[2][NOISE_TIMESTAMP_LEN];
	struct world world;
	int i;

	for (i = 0; i < ARRAY_SIZE(nsec); i++) {
		world_create(test, &world);
		nature.now = (struct timespec64){ 1000, nsec[i] };
		KUNIT_ASSERT_EQ(test, begin(&world), 0);
		KUNIT_ASSERT_EQ(test, answer(&world), 0);
		memcpy(timestamps[i], world.b.peer->last_timestamp, sizeof(timestamps[i]));
		world_destroy(test, &world);
	}
	KUNIT_EXPECT_EQ(test, memcmp(timestamps[0], timestamps[1], sizeof(timestamps[0])), 0);
}

#define STACK_LEN 6144

/* Have functions that were called before left these bytes on the stack? */
static noinline __no_sanitize_address bool stack_has(const u8 *what, size_t len)
{
	u8 *below = __builtin_alloca(STACK_LEN);

	OPTIMIZER_HIDE_VAR(below);
	return contains(below, STACK_LEN, what, len);
}

static bool stack_contains(const u8 *what)
{
	return stack_has(what, NOISE_PUBLIC_KEY_LEN);
}

/* R9: no secret stays on the stack. */
static void stack_is_wiped(struct kunit *test)
{
	u8 *secret = kunit_kzalloc(test, NOISE_PUBLIC_KEY_LEN, GFP_KERNEL);
	struct world world;

	KUNIT_ASSERT_NOT_NULL(test, secret);
	world_create(test, &world);
	KUNIT_ASSERT_EQ(test, begin(&world), 0);
	KUNIT_EXPECT_FALSE(test, stack_contains(world.a.peer->handshake.ephemeral_private));
	KUNIT_EXPECT_FALSE(test, stack_contains(world.a.peer->handshake.chaining_key));
	KUNIT_EXPECT_FALSE(test, stack_contains(world.a.peer->static_static));
	KUNIT_ASSERT_EQ(test, begin(&world), 0);
	KUNIT_EXPECT_FALSE(test, stack_contains(world.a.private_key));
	memcpy(secret, world.a.peer->handshake.ephemeral_private, NOISE_PUBLIC_KEY_LEN);
	KUNIT_ASSERT_EQ(test, answer(&world), 0);
	KUNIT_EXPECT_FALSE(test, stack_contains(session_of(&world.b, SLOT_NEXT)->send_key));
	KUNIT_EXPECT_FALSE(test, stack_contains(world.b.private_key));
	KUNIT_EXPECT_FALSE(test, stack_contains(world.b.peer->psk));
	KUNIT_EXPECT_FALSE(test, stack_contains(world.b.peer->static_static));
	KUNIT_ASSERT_EQ(test, finish(&world), 0);
	KUNIT_EXPECT_FALSE(test, stack_contains(secret));
	KUNIT_EXPECT_FALSE(test, stack_contains(world.a.private_key));
	KUNIT_EXPECT_FALSE(test, stack_contains(world.a.peer->psk));
	KUNIT_EXPECT_FALSE(test, stack_contains(session_of(&world.a, SLOT_CURRENT)->send_key));
	world_destroy(test, &world);
}

static noinline __no_sanitize_address void paint_stack(void)
{
	u8 *below = __builtin_alloca(STACK_LEN);
	size_t i;

	for (i = 0; i < STACK_LEN; i++)
		WRITE_ONCE(below[i], 0xa5);
}

/* KCSAN's own calls use some of the wiped stack. */
#define WIPED_LEN (IS_ENABLED(CONFIG_KCSAN) ? 512 : 1024)

/* How many frames of fwg_wipe_stack() are in the stack that was painted before? */
static noinline __no_sanitize_address unsigned int wiped_stack(void)
{
	const u8 *below = __builtin_alloca(STACK_LEN);
	unsigned int kib = 0;
	size_t i, zeros = 0;

	OPTIMIZER_HIDE_VAR(below);
	for (i = 0; i < STACK_LEN; i++) {
		zeros = below[i] ? 0 : zeros + 1;
		kib += zeros == WIPED_LEN;
	}
	return kib;
}

/*
 * R9: nor data from which keys or key stream can be computed, which the kernel's
 * crypto leaves.
 */
static void stack_below_is_wiped(struct kunit *test)
{
	struct world world;

	world_create(test, &world);
	paint_stack();
	KUNIT_ASSERT_EQ(test, begin(&world), 0);
	KUNIT_EXPECT_GE(test, wiped_stack(), (unsigned int)HANDSHAKE_STACK_KIB);
	paint_stack();
	KUNIT_ASSERT_EQ(test, answer(&world), 0);
	KUNIT_EXPECT_GE(test, wiped_stack(), (unsigned int)HANDSHAKE_STACK_KIB);
	paint_stack();
	KUNIT_ASSERT_EQ(test, finish(&world), 0);
	KUNIT_EXPECT_GE(test, wiped_stack(), (unsigned int)HANDSHAKE_STACK_KIB);
	world_destroy(test, &world);
}

/* How much of the stack below was used since it was painted? */
static noinline __no_sanitize_address size_t stack_used(void)
{
	const u8 *below = __builtin_alloca(STACK_LEN);
	size_t unused = 128; /* this frame may be a little lower than the painted stack */

	OPTIMIZER_HIDE_VAR(below);
	while (unused < STACK_LEN && below[unused] == 0xa5)
		unused++;
	return STACK_LEN - unused;
}

/* The crypto calls of fwg_noise_seal() and others; the message is not on the stack. */
struct crypto_call {
	const char *name;
	enum stack_kib wiped; /* after it */
	bool (*call)(u8 *message);
};

static const u8 depth_key[NOISE_SYMMETRIC_KEY_LEN] = { 8 };
#define DEPTH_TEXT_LEN 1400

static bool depth_of_sealing(u8 *message)
{
	struct scatterlist sg;

	sg_init_one(&sg, message, DEPTH_TEXT_LEN + NOISE_TAG_LEN);
	return (chacha20poly1305_encrypt_sg_inplace)(&sg, DEPTH_TEXT_LEN, NULL, 0, 0, depth_key);
}

/* Sealing the message first uses no more stack than opening it. */
static bool depth_of_opening(u8 *message)
{
	struct scatterlist sg;

	if (!depth_of_sealing(message))
		return false;
	sg_init_one(&sg, message, DEPTH_TEXT_LEN + NOISE_TAG_LEN);
	return (chacha20poly1305_decrypt_sg_inplace)(&sg, DEPTH_TEXT_LEN + NOISE_TAG_LEN, NULL, 0,
						     0, depth_key);
}

static bool depth_of_cookie(u8 *message)
{
	(xchacha20poly1305_encrypt)(message, message, MESSAGE_MAC_LEN, NULL, 0, message, depth_key);
	return true;
}

static bool depth_of_initiation(u8 *message)
{
	struct noise_handshake hs = { .ephemeral_private = { 8 } };

	return (curve25519_generate_public)(message, depth_key) &&
	       !fwg_mix_dh(&hs, depth_key, message);
}

static bool depth_of_response(u8 *message)
{
	struct noise_handshake hs = { .ephemeral_private = { 8 } };

	return (curve25519_generate_public)(message, depth_key) &&
	       fwg_read_response(&hs, depth_key, depth_key, message, NULL, message,
				 NOISE_TAG_LEN) == -EBADMSG;
}

static const struct crypto_call crypto_calls[] = {
	{ "sealing", DATA_STACK_KIB, depth_of_sealing },
	{ "opening", DATA_STACK_KIB, depth_of_opening },
	{ "a cookie", DATA_STACK_KIB, depth_of_cookie },
	{ "an initiation", HANDSHAKE_STACK_KIB, depth_of_initiation },
	{ "a response", HANDSHAKE_STACK_KIB, depth_of_response },
};

/* R9: the kernel's crypto uses no more stack than is wiped after it. */
static void stack_is_wiped_deep_enough(struct kunit *test)
{
	u8 *message = kunit_kzalloc(test, DEPTH_TEXT_LEN + NOISE_TAG_LEN, GFP_KERNEL);
	const struct crypto_call *crypto;
	size_t depth;
	int try;

	KUNIT_ASSERT_NOT_NULL(test, message);
	for (crypto = crypto_calls; crypto < &crypto_calls[ARRAY_SIZE(crypto_calls)]; crypto++) {
		depth = STACK_LEN;
		/* An interrupt may have used the stack, too. */
		for (try = 0; try < 10; try++) {
			paint_stack();
			KUNIT_ASSERT_TRUE(test, crypto->call(message));
			depth = min(depth, stack_used());
		}
		kunit_info(test, "%s: %zu bytes of stack\n", crypto->name, depth);
		KUNIT_EXPECT_LE(test, depth, crypto->wiped * 1024UL);
	}
}

/* R9: nor is the key stream of a message left on the stack. */
static void key_stream_is_wiped(struct kunit *test)
{
	static const u8 zeros[TEXT_LEN];
	u8 stream[TEXT_LEN + NOISE_TAG_LEN];
	struct world world;

	world_create(test, &world);
	KUNIT_ASSERT_EQ(test, begin(&world), 0);
	KUNIT_ASSERT_EQ(test, answer(&world), 0);
	KUNIT_ASSERT_EQ(test, finish(&world), 0);
	chacha20poly1305_encrypt(stream, zeros, sizeof(zeros), NULL, 0, 0,
				 session_of(&world.a, SLOT_CURRENT)->send_key);
	paint_stack();
	KUNIT_ASSERT_EQ(test, send_text(&world.a, world.data, "hello"), 0);
	KUNIT_EXPECT_FALSE(test, stack_has(stream, TEXT_LEN / 2));
	paint_stack();
	KUNIT_ASSERT_EQ(test, receive_text(&world.b, world.data), 0);
	KUNIT_EXPECT_FALSE(test, stack_has(stream, TEXT_LEN / 2));
	world_destroy(test, &world);
}

/* ---- nonces ---- */

static struct {
	struct noise_session *session;
	u8 *data;
	unsigned int sealed;
	unsigned long *seen;
	unsigned int limit, twice;
} interrupt;

static void note_nonce(u64 nonce)
{
	if (nonce >= interrupt.limit || test_and_set_bit(nonce, interrupt.seen))
		interrupt.twice++;
}

static void interrupt_seals(void)
{
	if (!seal_text(interrupt.session, interrupt.data, "from an interrupt")) {
		interrupt.sealed++;
		note_nonce(nonce_of(interrupt.data));
	}
}

static void interrupt_prepare(struct kunit *test, struct world *world, unsigned int limit)
{
	memset(&interrupt, 0, sizeof(interrupt));
	interrupt.session = session_of(&world->a, SLOT_CURRENT);
	interrupt.limit = limit;
	interrupt.seen = kunit_kcalloc(test, BITS_TO_LONGS(limit), sizeof(long), GFP_KERNEL);
	interrupt.data = kunit_kzalloc(test, DATA_LEN, GFP_KERNEL);
	KUNIT_ASSERT_TRUE(test, interrupt.seen && interrupt.data);
}

/* No two packets get one nonce, at whatever step one interrupts the other. */
static void nonce_is_unique_when_interrupted(struct kunit *test)
{
	struct world world;
	unsigned int step;

	world_create(test, &world);
	connect(test, &world);
	interrupt_prepare(test, &world, 64);
	for (step = 1;; step++) {
		happens_at(step, interrupt_seals);
		KUNIT_ASSERT_EQ(test, seal_text(interrupt.session, world.data, "interrupted"), 0);
		note_nonce(nonce_of(world.data));
		if (steps.at)
			break;
	}
	happens_at(0, NULL);
	KUNIT_EXPECT_GE(test, interrupt.sealed, 5U);
	KUNIT_EXPECT_EQ(test, interrupt.twice, 0U);
	world_destroy(test, &world);
}

static enum hrtimer_restart on_timer(struct hrtimer *timer)
{
	interrupt_seals();
	hrtimer_forward_now(timer, ns_to_ktime(200 * NSEC_PER_USEC));
	return HRTIMER_RESTART;
}

/* ... nor if a timer interrupts at random. */
static void nonce_is_unique_under_load(struct kunit *test)
{
	unsigned long end = jiffies + 10 * HZ;
	struct hrtimer timer;
	struct world world;
	unsigned int i;

	world_create(test, &world);
	connect(test, &world);
	interrupt_prepare(test, &world, 1 << 22);
	hrtimer_init_on_stack(&timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_SOFT);
	timer.function = on_timer;
	hrtimer_start(&timer, ns_to_ktime(200 * NSEC_PER_USEC), HRTIMER_MODE_REL_SOFT);
	for (i = 0; i < 10000 || (interrupt.sealed < 50 && time_before(jiffies, end)); i++) {
		struct message_data *header = (struct message_data *)world.data;
		struct scatterlist sg;

		sg_init_one(&sg, header + 1, NOISE_TAG_LEN);
		/* BHs are enabled, so that the timer can interrupt. */
		rcu_read_lock();
		KUNIT_ASSERT_EQ(test, fwg_noise_seal(interrupt.session, &sg, 0, header), 0);
		rcu_read_unlock();
		note_nonce(nonce_of(world.data));
		/* Otherwise softirqs may be left to a thread, which would wait for us. */
		cond_resched();
	}
	hrtimer_cancel(&timer);
	destroy_hrtimer_on_stack(&timer);
	kunit_info(test, "%u packets, interrupted by %u\n", i, interrupt.sealed);
	KUNIT_EXPECT_GE(test, interrupt.sealed, 50U);
	KUNIT_EXPECT_EQ(test, interrupt.twice, 0U);
	world_destroy(test, &world);
}

/* A session ends before its counter can wrap, however often it is used. */
static void nonce_never_wraps(struct kunit *test)
{
	struct noise_session *session;
	struct world world;
	int i;

	world_create(test, &world);
	connect(test, &world);
	session = session_of(&world.a, SLOT_CURRENT);
	KUNIT_EXPECT_FALSE(test, fwg_noise_session_old_to_send(session));
	atomic64_set(&session->nonce, REKEY_AFTER_MESSAGES);
	KUNIT_EXPECT_TRUE(test, fwg_noise_session_old_to_send(session));
	atomic64_set(&session->nonce, REJECT_AFTER_MESSAGES - 1);
	KUNIT_EXPECT_EQ(test, seal_text(session, world.data, "the last one"), 0);
	KUNIT_EXPECT_EQ(test, nonce_of(world.data), REJECT_AFTER_MESSAGES - 1);
	KUNIT_EXPECT_EQ(test, receive_text(&world.b, world.data), 0);
	for (i = 0; i < 10000; i++)
		KUNIT_ASSERT_EQ(test, seal_text(session, world.data, "one too many"), -EAGAIN);
	world_destroy(test, &world);
}

static void let_one_pass(void)
{
	(atomic64_fetch_add_unless)(&interrupt.session->nonce, 1, REJECT_AFTER_MESSAGES);
}

/* Two packets both find the last nonce free: only one gets it. */
static void last_nonce_is_given_once(struct kunit *test)
{
	struct world world;

	world_create(test, &world);
	connect(test, &world);
	interrupt.session = session_of(&world.a, SLOT_CURRENT);
	atomic64_set(&interrupt.session->nonce, REJECT_AFTER_MESSAGES - 1);
	/* The steps: check, limit, nonce. */
	happens_at(3, let_one_pass);
	KUNIT_EXPECT_EQ(test, seal_text(interrupt.session, world.data, "too late"), -EAGAIN);
	happens_at(0, NULL);
	/* The counter stays at the limit, whatever the number of late packets. */
	KUNIT_EXPECT_EQ(test, (u64)(atomic64_read)(&interrupt.session->nonce),
			REJECT_AFTER_MESSAGES);
	world_destroy(test, &world);
}

/* ---- the protocol ---- */

static void vector_data(struct kunit *test, const u8 key[NOISE_SYMMETRIC_KEY_LEN], u64 nonce,
			const u8 *payload, size_t len, const u8 *message)
{
	u8 out[64];

	chacha20poly1305_encrypt(out, payload, len, NULL, 0, nonce, key);
	KUNIT_EXPECT_EQ(test, memcmp(out, message, len + NOISE_TAG_LEN), 0);
}

/* Our handshake agrees with a published test vector of Noise. */
static void noise_vector(struct kunit *test)
{
	const size_t e = NOISE_PUBLIC_KEY_LEN, s = e + NOISE_PUBLIC_KEY_LEN + NOISE_TAG_LEN;
	struct noise_handshake i = {}, r = {};
	u8 initiator_public[NOISE_PUBLIC_KEY_LEN], static_static[NOISE_PUBLIC_KEY_LEN], payload[32];
	struct generation_scope scope = { .parent = &generation_root };
	struct noise_keys keys, responder_keys;
	u8 *msg = kunit_kzalloc(test, 256, GFP_KERNEL);
	int err;

	KUNIT_ASSERT_NOT_NULL(test, msg);
	i.stamp = fwg_generation_read(&scope);
	r.stamp = i.stamp;
	KUNIT_ASSERT_TRUE(test, curve25519_generate_public(initiator_public, vector_initiator));
	KUNIT_ASSERT_TRUE(test,
			  curve25519(static_static, vector_initiator, vector_responder_public));

	fwg_handshake_begin(&i, vector_prologue, sizeof(vector_prologue), vector_responder_public);
	memcpy(i.ephemeral_private, vector_initiator_ephemeral, NOISE_PUBLIC_KEY_LEN);
	KUNIT_ASSERT_TRUE(test, curve25519_generate_public(msg, vector_initiator_ephemeral));
	KUNIT_ASSERT_EQ(test,
			fwg_write_initiation(&i, &scope, initiator_public, vector_responder_public,
					     static_static, msg, msg + e, msg + s, vector_payload0,
					     sizeof(vector_payload0)),
			0);
	KUNIT_EXPECT_EQ(test, memcmp(msg, vector_message0, sizeof(vector_message0)), 0);

	/* The responder, as in fwg_noise_respond(). */
	fwg_handshake_begin(&r, vector_prologue, sizeof(vector_prologue), vector_responder_public);
	fwg_mix_ephemeral(&r, vector_message0);
	KUNIT_ASSERT_EQ(test, fwg_mix_dh(&r, vector_responder, vector_message0), 0);
	KUNIT_ASSERT_EQ(test, fwg_decrypt_and_hash(&r, payload, vector_message0 + e, s - e), 0);
	KUNIT_EXPECT_EQ(test, memcmp(payload, initiator_public, sizeof(initiator_public)), 0);
	KUNIT_ASSERT_EQ(test, fwg_mix_dh(&r, vector_responder, initiator_public), 0);
	err = fwg_decrypt_and_hash(&r, payload, vector_message0 + s, sizeof(vector_message0) - s);
	KUNIT_ASSERT_EQ(test, err, 0);
	KUNIT_EXPECT_EQ(test, memcmp(payload, vector_payload0, sizeof(vector_payload0)), 0);
	memcpy(r.ephemeral_private, vector_responder_ephemeral, NOISE_PUBLIC_KEY_LEN);
	KUNIT_ASSERT_TRUE(test, curve25519_generate_public(msg, vector_responder_ephemeral));
	KUNIT_ASSERT_EQ(test,
			fwg_write_response(&r, &scope, initiator_public, vector_message0,
					   vector_psk, msg, msg + e, vector_payload1,
					   sizeof(vector_payload1)),
			0);
	KUNIT_EXPECT_EQ(test, memcmp(msg, vector_message1, sizeof(vector_message1)), 0);

	KUNIT_ASSERT_EQ(test,
			fwg_read_response(&i, vector_initiator, vector_psk, vector_message1,
					  payload, vector_message1 + e,
					  sizeof(vector_message1) - e),
			0);
	KUNIT_EXPECT_EQ(test, memcmp(payload, vector_payload1, sizeof(vector_payload1)), 0);
	KUNIT_EXPECT_EQ(test, memcmp(i.hash, r.hash, NOISE_HASH_LEN), 0);

	fwg_split(&keys, &i);
	fwg_split(&responder_keys, &r);
	KUNIT_EXPECT_EQ(test, memcmp(&keys, &responder_keys, sizeof(keys)), 0);
	vector_data(test, keys.initiator, 0, vector_payload2, sizeof(vector_payload2),
		    vector_message2);
	vector_data(test, keys.responder, 0, vector_payload3, sizeof(vector_payload3),
		    vector_message3);
	vector_data(test, keys.initiator, 1, vector_payload4, sizeof(vector_payload4),
		    vector_message4);
	vector_data(test, keys.responder, 1, vector_payload5, sizeof(vector_payload5),
		    vector_message5);
}

/* The points of small order on Curve25519 and its twist. */
static const u8 low_order[][NOISE_PUBLIC_KEY_LEN] = {
	{ 0 },
	{ 1 },
	{ 0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3,
	  0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32,
	  0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00 },
	{ 0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1,
	  0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c,
	  0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57 },
	{ 0xec, [1 ... 30] = 0xff, 0x7f },
	{ 0xed, [1 ... 30] = 0xff, 0x7f },
	{ 0xee, [1 ... 30] = 0xff, 0x7f },
};

/* A public key of low order gives no session, in any role. */
static void low_order_keys_give_no_session(struct kunit *test)
{
	u8 point[NOISE_PUBLIC_KEY_LEN];
	struct noise_peer *peer;
	struct world world;
	int i;

	world_create(test, &world);
	/* Each also with the top bit set, which X25519 ignores. */
	for (i = 0; i < 2 * ARRAY_SIZE(low_order); i++) {
		memcpy(point, low_order[i / 2], sizeof(point));
		point[NOISE_PUBLIC_KEY_LEN - 1] |= i % 2 << 7;
		peer = fwg_noise_peer_create(world.a.local, NULL, point, NULL);
		KUNIT_ASSERT_NOT_NULL(test, peer);
		KUNIT_EXPECT_EQ(test, fwg_noise_initiate(peer, world.initiation), -EKEYREJECTED);
		fwg_noise_peer_remove(peer);
		fwg_noise_peer_free(peer);

		wait_a_second();
		KUNIT_ASSERT_EQ(test, begin(&world), 0);
		KUNIT_ASSERT_EQ(test, answer(&world), 0);
		memcpy(world.response->ephemeral, point, NOISE_PUBLIC_KEY_LEN);
		KUNIT_EXPECT_EQ(test, finish(&world), -EKEYREJECTED);
		memcpy(world.initiation->ephemeral, point, NOISE_PUBLIC_KEY_LEN);
		KUNIT_EXPECT_EQ(test, answer(&world), -EKEYREJECTED);
	}
	world_destroy(test, &world);
}

/* A flipped bit in any authenticated part is detected. */
static void tampering_is_noticed(struct kunit *test)
{
	u8 *original = kunit_kzalloc(test, sizeof(struct message_initiation), GFP_KERNEL);
	struct world world;
	size_t i;

	KUNIT_ASSERT_NOT_NULL(test, original);
	world_create(test, &world);
	connect(test, &world);
	wait_a_second();
	KUNIT_ASSERT_EQ(test, begin(&world), 0);
	memcpy(original, world.initiation, sizeof(*world.initiation));
	for (i = offsetof(struct message_initiation, ephemeral);
	     i < offsetof(struct message_initiation, macs); i++) {
		memcpy(world.initiation, original, sizeof(*world.initiation));
		((u8 *)world.initiation)[i] ^= 1 << i % 7;
		KUNIT_EXPECT_NE(test, answer(&world), 0);
	}
	memcpy(world.initiation, original, sizeof(*world.initiation));
	KUNIT_ASSERT_EQ(test, answer(&world), 0);

	memcpy(original, world.response, sizeof(*world.response));
	for (i = offsetof(struct message_response, receiver_index);
	     i < offsetof(struct message_response, macs); i++) {
		memcpy(world.response, original, sizeof(*world.response));
		((u8 *)world.response)[i] ^= 1 << i % 7;
		KUNIT_EXPECT_NE(test, finish(&world), 0);
	}
	memcpy(world.response, original, sizeof(*world.response));
	KUNIT_ASSERT_EQ(test, finish(&world), 0);

	KUNIT_ASSERT_EQ(test, send_text(&world.a, world.data, "original"), 0);
	memcpy(original, world.data, DATA_LEN);
	for (i = offsetof(struct message_data, receiver_index); i < DATA_LEN; i++) {
		memcpy(world.data, original, DATA_LEN);
		world.data[i] ^= 1 << i % 8;
		KUNIT_EXPECT_NE(test, receive_text(&world.b, world.data), 0);
	}
	memcpy(world.data, original, DATA_LEN);
	KUNIT_EXPECT_EQ(test, receive_text(&world.b, world.data), 0);
	memcpy(world.data, original, DATA_LEN);
	KUNIT_EXPECT_EQ(test, receive_text(&world.b, world.data), -EALREADY);
	world_destroy(test, &world);
}

/* An initiation is accepted once, in order, and at a limited rate. */
static void initiations_are_not_replayed(struct kunit *test)
{
	struct message_initiation *old = kunit_kzalloc(test, sizeof(*old), GFP_KERNEL);
	struct world world;

	KUNIT_ASSERT_NOT_NULL(test, old);
	world_create(test, &world);
	KUNIT_ASSERT_EQ(test, begin(&world), 0);
	*old = *world.initiation;
	KUNIT_ASSERT_EQ(test, answer(&world), 0);
	wait_a_second();
	KUNIT_EXPECT_EQ(test, answer(&world), -EALREADY);
	KUNIT_ASSERT_EQ(test, begin(&world), 0);
	KUNIT_EXPECT_EQ(test, answer(&world), 0);
	KUNIT_ASSERT_EQ(test, begin(&world), 0);
	KUNIT_EXPECT_EQ(test, answer(&world), -EBUSY);
	*world.initiation = *old;
	wait_a_second();
	KUNIT_EXPECT_EQ(test, answer(&world), -EALREADY);
	world_destroy(test, &world);
}

/* A response finishes only the handshake that it answers. */
static void response_to_an_older_initiation_is_refused(struct kunit *test)
{
	struct world world;

	world_create(test, &world);
	KUNIT_ASSERT_EQ(test, begin(&world), 0);
	KUNIT_ASSERT_EQ(test, answer(&world), 0);
	KUNIT_ASSERT_EQ(test, begin(&world), 0);
	KUNIT_EXPECT_EQ(test, finish(&world), -ENOENT);
	wait_a_second();
	KUNIT_ASSERT_EQ(test, answer(&world), 0);
	KUNIT_EXPECT_EQ(test, finish(&world), 0);
	KUNIT_EXPECT_EQ(test, finish(&world), -ENOENT);
	world_destroy(test, &world);
}

/* Sessions end at the age limit, and at most the previous one is kept. */
static void sessions_age(struct kunit *test)
{
	struct noise_session *session;
	struct world world;

	world_create(test, &world);
	connect(test, &world);
	session = session_of(&world.a, SLOT_CURRENT);
	KUNIT_EXPECT_FALSE(test, fwg_noise_session_old_to_send(session));
	nature.boottime += REKEY_AFTER_TIME * NSEC_PER_SEC;
	KUNIT_EXPECT_TRUE(test, fwg_noise_session_old_to_send(session));
	KUNIT_EXPECT_FALSE(test, fwg_noise_session_old_to_send(session_of(&world.b, SLOT_CURRENT)));
	KUNIT_EXPECT_EQ(test, send_text(&world.a, world.data, "old"), 0);
	nature.boottime += (REJECT_AFTER_TIME - REKEY_AFTER_TIME) * NSEC_PER_SEC;
	KUNIT_EXPECT_EQ(test, receive_text(&world.b, world.data), -ESTALE);
	KUNIT_EXPECT_EQ(test, send_text(&world.a, world.data, "too old"), -EAGAIN);

	/* The responder does not send in a session that the initiator has not used. */
	wait_a_second();
	KUNIT_ASSERT_EQ(test, begin(&world), 0);
	KUNIT_ASSERT_EQ(test, answer(&world), 0);
	KUNIT_ASSERT_EQ(test, finish(&world), 0);
	KUNIT_EXPECT_PTR_NE(test, session_of(&world.b, SLOT_NEXT), NULL);
	KUNIT_EXPECT_EQ(test, send_text(&world.b, world.data, "not yet"), -EAGAIN);
	connect(test, &world);
	connect(test, &world);
	KUNIT_EXPECT_NULL(test, session_of(&world.b, SLOT_NEXT));
	fwg_noise_peer_clear(world.a.peer);
	KUNIT_EXPECT_EQ(test, send_text(&world.a, world.data, "cleared"), -ENOTCONN);
	world_destroy(test, &world);
}

/* ---- handshakes that cross ---- */

/* Both ends send in one session, which one of them initiated. */
static void expect_settled(struct kunit *test, struct world *world)
{
	struct noise_session *a = session_of(&world->a, SLOT_CURRENT);
	struct noise_session *b = session_of(&world->b, SLOT_CURRENT);

	KUNIT_EXPECT_TRUE(test, a->index == b->remote_index && b->index == a->remote_index);
	KUNIT_EXPECT_NE(test, a->initiator, b->initiator);
	nature.boottime += REKEY_AFTER_TIME * NSEC_PER_SEC;
	KUNIT_EXPECT_EQ(test, fwg_noise_session_old_to_send(a), a->initiator);
	KUNIT_EXPECT_EQ(test, fwg_noise_session_old_to_send(b), b->initiator);
}

/* The initiator of the session rekeys, with data in flight. */
static void rekey(struct kunit *test, struct world *world, struct crossing *crossing)
{
	bool is_a = session_of(&world->a, SLOT_CURRENT)->initiator;
	struct side *initiator = is_a ? &world->a : &world->b;
	struct side *responder = is_a ? &world->b : &world->a;

	wait_a_second();
	KUNIT_ASSERT_EQ(test, side_begin(initiator, crossing->initiation), 0);
	KUNIT_ASSERT_EQ(test, side_answer(responder, crossing->initiation, crossing->response), 0);
	KUNIT_EXPECT_EQ(test, send_text(&world->a, crossing->from_a, "in flight"), 0);
	KUNIT_EXPECT_EQ(test, send_text(&world->b, crossing->from_b, "in flight"), 0);
	KUNIT_ASSERT_EQ(test, side_finish(initiator, crossing->response), 0);
	KUNIT_EXPECT_EQ_MSG(test, receive_text(&world->a, crossing->from_b), 0, "lost");
	KUNIT_EXPECT_EQ_MSG(test, receive_text(&world->b, crossing->from_a), 0, "lost");
	KUNIT_ASSERT_EQ(test, send_text(initiator, world->data, "confirms"), 0);
	KUNIT_ASSERT_EQ(test, receive_text(responder, world->data), 0);
	both_talk(test, world, crossing);
}

/* Handshakes that cross lose no data, and do not cross again at the next rekeying. */
static void crossing_handshakes_settle(struct kunit *test)
{
	struct crossing crossing;
	unsigned int round, won = 0;
	struct world world;

	crossing_create(test, &world, &crossing);
	for (round = 0; round < 16; round++) {
		cross(test, &world, &crossing);
		won += session_of(&world.a, SLOT_CURRENT)->initiator;
		expect_settled(test, &world);
		/* Also when they cross again at once. */
		if (round % 2)
			continue;
		rekey(test, &world, &crossing);
		expect_settled(test, &world);
		KUNIT_EXPECT_NULL(test, session_of(&world.a, SLOT_OLD));
		KUNIT_EXPECT_NULL(test, session_of(&world.b, SLOT_OLD));
	}
	/* Which end wins is random. */
	KUNIT_EXPECT_TRUE(test, won > 0 && won < round);
	world_destroy(test, &world);
}

/* Data overtakes the response that was sent before it: they wait in different queues. */
static void crossing_settles_if_data_comes_first(struct kunit *test)
{
	struct crossing crossing;
	struct world world;
	unsigned int round;

	crossing_create(test, &world, &crossing);
	for (round = 0; round < 16; round++) {
		both_begin(test, &world, &crossing);
		KUNIT_ASSERT_EQ(test, finish(&world), 0);
		KUNIT_EXPECT_EQ(test, send_text(&world.a, crossing.from_a, "early"), 0);
		KUNIT_EXPECT_EQ(test, receive_text(&world.b, crossing.from_a), 0);
		KUNIT_ASSERT_EQ(test, side_finish(&world.b, crossing.response), 0);
		both_talk(test, &world, &crossing);
		both_talk(test, &world, &crossing);
		expect_settled(test, &world);
	}
	world_destroy(test, &world);
}

/* A peer that abandons its own handshake when it answers ours, as stock WireGuard does. */
static void session_stays_with_peer_that_gives_up(struct kunit *test)
{
	struct noise_session *session;
	struct crossing crossing;
	struct world world;
	unsigned int round;

	crossing_create(test, &world, &crossing);
	for (round = 0; round < 16; round++) {
		both_begin(test, &world, &crossing);
		KUNIT_ASSERT_EQ(test, finish(&world), 0);
		session = session_of(&world.a, SLOT_CURRENT);
		/* Data sent before the other end had the session. */
		KUNIT_EXPECT_EQ(test, send_text(&world.b, crossing.from_b, "in flight"), 0);
		KUNIT_EXPECT_EQ(test, receive_text(&world.a, crossing.from_b), 0);
		both_talk(test, &world, &crossing);
		both_talk(test, &world, &crossing);
		KUNIT_EXPECT_PTR_EQ(test, session_of(&world.a, SLOT_CURRENT), session);
		KUNIT_EXPECT_TRUE(test, session->initiator);
		expect_settled(test, &world);
	}
	world_destroy(test, &world);
}

/* Two machines that are forked together begin handshakes at the same time. */
static void machines_forked_together_settle(struct kunit *test)
{
	struct crossing crossing;
	struct world world;
	u64 id;

	crossing_create(test, &world, &crossing);
	for (id = 2; id < 10; id++) {
		set_id(id);
		/* In every other generation, the reset is late. */
		if (id % 2) {
			KUNIT_EXPECT_EQ(test, fwg_noise_peer_reset(world.a.peer), NOISE_WIPED_LIVE);
			KUNIT_EXPECT_EQ(test, fwg_noise_peer_reset(world.b.peer), NOISE_WIPED_LIVE);
		}
		both_begin(test, &world, &crossing);
		both_finish(test, &world, &crossing);
		both_talk(test, &world, &crossing);
		KUNIT_EXPECT_LE(test, fwg_noise_peer_reset(world.a.peer), NOISE_WIPED_OLD);
		KUNIT_EXPECT_LE(test, fwg_noise_peer_reset(world.b.peer), NOISE_WIPED_OLD);
		KUNIT_EXPECT_NULL(test, session_of(&world.a, SLOT_OLD));
		KUNIT_EXPECT_NULL(test, session_of(&world.b, SLOT_OLD));
		both_talk(test, &world, &crossing);
		expect_settled(test, &world);
		rekey(test, &world, &crossing);
	}
	world_destroy(test, &world);
}

/* ---- the cost of handshakes ---- */

/* A few responses are expected for each pending handshake, and none for others. */
static void responses_are_expected_a_few_times(struct kunit *test)
{
	struct message_response response = {};
	struct world world;
	unsigned int n;

	world_create(test, &world);
	KUNIT_EXPECT_FALSE(test, fwg_noise_response_expected(world.a.local, &response));
	for (n = 0; n < 2; n++) {
		wait_a_second();
		KUNIT_ASSERT_EQ(test, begin(&world), 0);
		KUNIT_ASSERT_EQ(test, answer(&world), 0);
		KUNIT_EXPECT_TRUE(test, fwg_noise_response_expected(world.a.local, world.response));
		response.receiver_index = ~world.response->receiver_index;
		KUNIT_EXPECT_FALSE(test, fwg_noise_response_expected(world.a.local, &response));
	}
	for (n = 1; fwg_noise_response_expected(world.a.local, world.response); n++)
		KUNIT_ASSERT_LT(test, n, 10U);
	KUNIT_EXPECT_GE(test, n, 2U);
	KUNIT_EXPECT_FALSE(test, fwg_noise_response_expected(world.a.local, world.response));

	wait_a_second();
	KUNIT_ASSERT_EQ(test, begin(&world), 0);
	KUNIT_ASSERT_EQ(test, answer(&world), 0);
	KUNIT_ASSERT_EQ(test, finish(&world), 0);
	KUNIT_EXPECT_FALSE(test, fwg_noise_response_expected(world.a.local, world.response));
	KUNIT_ASSERT_EQ(test, begin(&world), 0);
	response.receiver_index = world.initiation->sender_index;
	set_id(2);
	fwg_noise_peer_reset(world.a.peer);
	KUNIT_EXPECT_FALSE(test, fwg_noise_response_expected(world.a.local, &response));
	world_destroy(test, &world);
}

/* A machine that is about to sleep computes nothing that it could not send. */
static void nothing_is_computed_before_sleep(struct kunit *test)
{
	struct world world;

	world_create(test, &world);
	connect(test, &world);
	wait_a_second();
	KUNIT_ASSERT_EQ(test, begin(&world), 0);
	WRITE_ONCE(generation_frozen, true);
	steps.diffie_hellmans = 0;
	KUNIT_EXPECT_EQ(test, answer(&world), -ESTALE);
	KUNIT_EXPECT_EQ(test, begin(&world), -ESTALE);
	KUNIT_EXPECT_EQ(test, steps.diffie_hellmans, 0U);
	WRITE_ONCE(generation_frozen, false);
	connect(test, &world);
	world_destroy(test, &world);
}

/* Check how many Diffie-Hellmans a handshake takes at each end. */
static void expect_diffie_hellmans(struct kunit *test, struct world *world, unsigned int initiator,
				   unsigned int responder)
{
	wait_a_second();
	steps.diffie_hellmans = 0;
	KUNIT_ASSERT_EQ(test, begin(world), 0);
	KUNIT_EXPECT_EQ(test, steps.diffie_hellmans, initiator);
	steps.diffie_hellmans = 0;
	KUNIT_ASSERT_EQ(test, answer(world), 0);
	KUNIT_EXPECT_EQ(test, steps.diffie_hellmans, responder);
	steps.diffie_hellmans = 0;
	KUNIT_ASSERT_EQ(test, finish(world), 0);
	KUNIT_EXPECT_EQ(test, steps.diffie_hellmans, 2U);
}

/* That of the static keys is computed once for each peer, and wiped with either key. */
static void static_keys_are_combined_once(struct kunit *test)
{
	u8 other[NOISE_PUBLIC_KEY_LEN] = { 'o' }, shared[NOISE_PUBLIC_KEY_LEN];
	struct world world;

	world_create(test, &world);
	expect_diffie_hellmans(test, &world, 3, 5);
	expect_diffie_hellmans(test, &world, 2, 4);
	/* A fork does not change it. */
	set_id(2);
	fwg_noise_peer_reset(world.a.peer);
	fwg_noise_peer_reset(world.b.peer);
	expect_diffie_hellmans(test, &world, 2, 4);
	memcpy(shared, world.a.peer->static_static, sizeof(shared));
	KUNIT_EXPECT_TRUE(test,
			  contains(world.b.peer, sizeof(*world.b.peer), shared, sizeof(shared)));

	/* With another key it is not used, ... */
	fwg_noise_local_set_private_key(world.a.local, other);
	wait_a_second();
	KUNIT_ASSERT_EQ(test, begin(&world), 0);
	KUNIT_EXPECT_EQ(test, answer(&world), -ENOKEY);
	KUNIT_EXPECT_FALSE(test,
			   contains(world.a.peer, sizeof(*world.a.peer), shared, sizeof(shared)));
	/* ... and is wiped. */
	fwg_noise_peer_clear(world.b.peer);
	KUNIT_EXPECT_FALSE(test,
			   contains(world.b.peer, sizeof(*world.b.peer), shared, sizeof(shared)));
	fwg_noise_local_set_private_key(world.a.local, world.a.private_key);
	fwg_noise_peer_clear(world.a.peer);
	expect_diffie_hellmans(test, &world, 3, 5);
	KUNIT_EXPECT_EQ_MSG(test, steps.without_bhs, 0U, "with BHs disabled");
	world_destroy(test, &world);
}

static struct side *changing;

static void key_changes(void)
{
	static const u8 other[NOISE_PUBLIC_KEY_LEN] = { 'o' };

	if (in_softirq()) {
		/* The handshake holds a lock: try at the next step. */
		steps.at = steps.count + 1;
		return;
	}
	fwg_noise_local_set_private_key(changing->local, other);
	fwg_noise_peer_clear(changing->peer);
}

/* ... also if the private key changes while a handshake combines it. */
static void nothing_of_an_old_key_is_kept(struct kunit *test)
{
	u8 shared[NOISE_PUBLIC_KEY_LEN];
	struct world world;
	unsigned int step;
	bool changed = true;

	for (step = 1; changed; step++) {
		world_create(test, &world);
		wait_a_second();
		KUNIT_ASSERT_EQ(test, begin(&world), 0);
		memcpy(shared, world.a.peer->static_static, sizeof(shared));
		changing = &world.b;
		happens_at(step, key_changes);
		answer(&world);
		changed = !steps.at;
		happens_at(0, NULL);
		if (changed)
			KUNIT_EXPECT_FALSE_MSG(test,
					       contains(world.b.peer, sizeof(*world.b.peer), shared,
							sizeof(shared)),
					       "step %u", step);
		world_destroy(test, &world);
	}
	KUNIT_EXPECT_GT(test, step, 20U);
}

/* ---- cookies ---- */

static bool shows_cookie(struct world *world, const struct noise_source *source)
{
	fwg_noise_add_macs(world->a.peer, world->initiation, sizeof(*world->initiation));
	KUNIT_EXPECT_TRUE(living_test, fwg_noise_mac1_valid(world->b.local, world->initiation,
							    sizeof(*world->initiation)));
	return fwg_noise_mac2_valid(world->b.local, world->initiation, sizeof(*world->initiation),
				    source);
}

/* A cookie is valid for the source address that received it, for two minutes. */
static void cookies_prove_the_source(struct kunit *test)
{
	struct noise_source elsewhere = source_of_a;
	struct world world;

	living_test = test;
	world_create(test, &world);
	KUNIT_ASSERT_EQ(test, begin(&world), 0);
	KUNIT_EXPECT_FALSE(test, shows_cookie(&world, &source_of_a));
	KUNIT_EXPECT_NULL(test, memchr_inv(world.initiation->macs.mac2, 0, MESSAGE_MAC_LEN));
	KUNIT_ASSERT_EQ(test, give_cookie(&world), 0);
	KUNIT_ASSERT_EQ(test, take_cookie(&world), 0);
	KUNIT_EXPECT_TRUE(test, shows_cookie(&world, &source_of_a));

	/* The MACs are those of this message only. */
	world.initiation->ephemeral[0]++;
	KUNIT_EXPECT_FALSE(test, fwg_noise_mac1_valid(world.b.local, world.initiation,
						      sizeof(*world.initiation)));
	KUNIT_EXPECT_FALSE(test, fwg_noise_mac2_valid(world.b.local, world.initiation,
						      sizeof(*world.initiation), &source_of_a));
	elsewhere.port ^= htons(1);
	KUNIT_EXPECT_FALSE(test, shows_cookie(&world, &elsewhere));
	elsewhere = source_of_a;
	elsewhere.addr.s6_addr[15]++;
	KUNIT_EXPECT_FALSE(test, shows_cookie(&world, &elsewhere));

	/* The initiator forgets it first. */
	nature.boottime += (COOKIE_TIME - COOKIE_LATENCY) * NSEC_PER_SEC - 1;
	KUNIT_EXPECT_TRUE(test, shows_cookie(&world, &source_of_a));
	nature.boottime++;
	KUNIT_EXPECT_FALSE(test, shows_cookie(&world, &source_of_a));
	KUNIT_EXPECT_NULL(test, memchr_inv(world.initiation->macs.mac2, 0, MESSAGE_MAC_LEN));
	world_destroy(test, &world);
}

/* The cookie secret lives no longer than the cookies. */
static void cookies_go_out_of_date(struct kunit *test)
{
	u8 secret[NOISE_HASH_LEN];
	struct world world;

	living_test = test;
	world_create(test, &world);
	KUNIT_ASSERT_EQ(test, begin(&world), 0);
	KUNIT_ASSERT_EQ(test, give_cookie(&world), 0);
	memcpy(secret, world.b.local->cookie_secret.secret, sizeof(secret));
	nature.boottime += COOKIE_TIME * NSEC_PER_SEC - 1;
	KUNIT_ASSERT_EQ(test, give_cookie(&world), 0);
	KUNIT_EXPECT_TRUE(test,
			  !memcmp(secret, world.b.local->cookie_secret.secret, sizeof(secret)));
	/* The initiator received it late. */
	KUNIT_ASSERT_EQ(test, take_cookie(&world), 0);
	KUNIT_EXPECT_TRUE(test, shows_cookie(&world, &source_of_a));
	nature.boottime++;
	KUNIT_EXPECT_FALSE(test, shows_cookie(&world, &source_of_a));
	KUNIT_ASSERT_EQ(test, give_cookie(&world), 0);
	KUNIT_EXPECT_FALSE(test,
			   !memcmp(secret, world.b.local->cookie_secret.secret, sizeof(secret)));
	world_destroy(test, &world);
}

/* Nobody else can send a cookie reply, and none is accepted twice. */
static void cookie_replies_are_authentic(struct kunit *test)
{
	struct message_cookie *good;
	struct world world;
	u8 *bytes;
	int i;

	world_create(test, &world);
	good = kunit_kzalloc(test, sizeof(*good), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, good);
	KUNIT_ASSERT_EQ(test, begin(&world), 0);
	KUNIT_EXPECT_EQ_MSG(test, take_cookie(&world), -ENOENT, "no MAC has been sent");
	KUNIT_ASSERT_EQ(test, give_cookie(&world), 0);
	*good = *world.cookie;
	bytes = (u8 *)world.cookie;
	for (i = sizeof(__le32); i < sizeof(*world.cookie); i++) {
		bytes[i] ^= 0x10;
		KUNIT_EXPECT_EQ(test, take_cookie(&world),
				i < offsetof(struct message_cookie, nonce) ? -ENOENT : -EBADMSG);
		*world.cookie = *good;
	}
	KUNIT_EXPECT_EQ(test, take_cookie(&world), 0);
	KUNIT_EXPECT_EQ(test, take_cookie(&world), -ENOENT);

	/* The reply answers the previous message. */
	world.initiation->ephemeral[0]++;
	fwg_noise_add_macs(world.a.peer, world.initiation, sizeof(*world.initiation));
	KUNIT_EXPECT_EQ(test, take_cookie(&world), -EBADMSG);
	kunit_kfree(test, good);
	world_destroy(test, &world);
}

/* R1, R3, R5, R6: cookies and their secret end with the generation. */
static void fork_ends_cookies(struct kunit *test)
{
	u8 secret[NOISE_HASH_LEN], cookie[MESSAGE_MAC_LEN];
	struct world world;
	unsigned int step;

	living_test = test;
	world_create(test, &world);
	KUNIT_ASSERT_EQ(test, begin(&world), 0);
	KUNIT_ASSERT_EQ(test, give_cookie(&world), 0);
	KUNIT_ASSERT_EQ(test, take_cookie(&world), 0);
	KUNIT_ASSERT_TRUE(test, shows_cookie(&world, &source_of_a));
	memcpy(secret, world.b.local->cookie_secret.secret, sizeof(secret));
	memcpy(cookie, world.a.peer->cookie.secret, sizeof(cookie));
	KUNIT_ASSERT_EQ(test, give_cookie(&world), 0);

	set_id(2);
	KUNIT_EXPECT_EQ_MSG(test, take_cookie(&world), -ESTALE, "asked for before the fork");
	KUNIT_EXPECT_FALSE(test, fwg_noise_mac2_valid(world.b.local, world.initiation,
						      sizeof(*world.initiation), &source_of_a));
	KUNIT_EXPECT_FALSE(test, shows_cookie(&world, &source_of_a));
	KUNIT_EXPECT_NULL(test, memchr_inv(world.initiation->macs.mac2, 0, MESSAGE_MAC_LEN));
	fwg_noise_peer_reset(world.a.peer);
	fwg_noise_local_reset(world.b.local);
	KUNIT_EXPECT_FALSE(test,
			   contains(world.a.peer, sizeof(*world.a.peer), cookie, sizeof(cookie)));
	KUNIT_EXPECT_FALSE(test,
			   contains(world.b.local, sizeof(*world.b.local), secret, sizeof(secret)));

	/* New cookies survive a late reset. */
	KUNIT_ASSERT_EQ(test, begin(&world), 0);
	KUNIT_ASSERT_EQ(test, give_cookie(&world), 0);
	KUNIT_ASSERT_EQ(test, take_cookie(&world), 0);
	fwg_noise_peer_reset(world.a.peer);
	fwg_noise_local_reset(world.b.local);
	KUNIT_EXPECT_TRUE(test, shows_cookie(&world, &source_of_a));

	/* A reply that was begun before a fork is not sent. */
	for (step = 1;; step++) {
		set_id(10 + step);
		memset(world.cookie, 0xff, sizeof(*world.cookie));
		happens_at(step, fork_to_3);
		if (!fwg_noise_give_cookie(world.b.local, world.initiation,
					   sizeof(*world.initiation), &source_of_a, world.cookie)) {
			/* Forked before the stamp was read, or not at all. */
			if (steps.at)
				break;
			KUNIT_EXPECT_EQ(test, step, 1U);
			continue;
		}
		KUNIT_EXPECT_NULL(test, memchr_inv(world.cookie->encrypted_cookie, 0,
						   sizeof(world.cookie->encrypted_cookie)));
	}
	happens_at(0, NULL);
	/* The stamp, is there a secret, two draws, encryption, the check. */
	KUNIT_EXPECT_GE(test, step, 6U);
	world_destroy(test, &world);
}

static void ignore_reset(enum forkguard_reset_cause cause, bool wait)
{
}

static int noise_test_init(struct kunit *test)
{
	real_reset = test_swap_reset(ignore_reset);
	real_id = generation_id;
	generation_id = test_id;
	set_id(1);
	test_fix_nature();
	return 0;
}

static void noise_test_exit(struct kunit *test)
{
	happens_at(0, NULL);
	generation_id = real_id;
	test_settle_resets();
	test_swap_reset(real_reset);
	test_free_nature();
}

static struct kunit_case noise_cases[] = {
	KUNIT_CASE(noise_vector),
	KUNIT_CASE(forks_everywhere),
	KUNIT_CASE(drawing_waits_for_randomness),
	KUNIT_CASE(fork_ends_handshake),
	KUNIT_CASE(stale_key_opens_nothing),
	KUNIT_CASE(fork_while_opening),
	KUNIT_CASE(stale_session_spares_plaintext),
	KUNIT_CASE(refused_ciphertext_is_wiped),
	KUNIT_CASE(reset_wipes_everything),
	KUNIT_CASE(reset_spares_what_is_new),
	KUNIT_CASE(ending_session_seals_as_before_or_nothing),
	KUNIT_CASE(ending_session_opens_nothing),
	KUNIT_CASE(new_identity_ends_handshake),
	KUNIT_CASE(forced_reset_is_of_its_scope),
	KUNIT_CASE(timestamps_never_go_back),
	KUNIT_CASE(timestamps_are_coarse),
	KUNIT_CASE(stack_is_wiped),
	KUNIT_CASE(stack_below_is_wiped),
	KUNIT_CASE(stack_is_wiped_deep_enough),
	KUNIT_CASE(key_stream_is_wiped),
	KUNIT_CASE(nonce_is_unique_when_interrupted),
	KUNIT_CASE(nonce_is_unique_under_load),
	KUNIT_CASE(nonce_never_wraps),
	KUNIT_CASE(last_nonce_is_given_once),
	KUNIT_CASE(low_order_keys_give_no_session),
	KUNIT_CASE(tampering_is_noticed),
	KUNIT_CASE(initiations_are_not_replayed),
	KUNIT_CASE(response_to_an_older_initiation_is_refused),
	KUNIT_CASE(sessions_age),
	KUNIT_CASE(crossing_handshakes_settle),
	KUNIT_CASE(crossing_settles_if_data_comes_first),
	KUNIT_CASE(session_stays_with_peer_that_gives_up),
	KUNIT_CASE(machines_forked_together_settle),
	KUNIT_CASE(responses_are_expected_a_few_times),
	KUNIT_CASE(nothing_is_computed_before_sleep),
	KUNIT_CASE(static_keys_are_combined_once),
	KUNIT_CASE(nothing_of_an_old_key_is_kept),
	KUNIT_CASE(cookies_prove_the_source),
	KUNIT_CASE(cookies_go_out_of_date),
	KUNIT_CASE(cookie_replies_are_authentic),
	KUNIT_CASE(fork_ends_cookies),
	{},
};

static struct kunit_suite noise_suite = {
	.name = "noise",
	.init = noise_test_init,
	.exit = noise_test_exit,
	.test_cases = noise_cases,
};

kunit_test_suite(noise_suite);
