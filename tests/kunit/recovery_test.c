// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of recovery after a reset (R8, R12); included by module/device.c after
 * device_test.c, whose tunnel they use.
 */

/* The longest time from wiping a session to an initiation. */
#define RECOVERY_MSECS (RECOVERY_INTERVAL + MSEC_PER_SEC / 3 + 200)

/* How many initiations the other end has received. */
static unsigned int initiations_on_wire(void)
{
	unsigned int n = 0;
	struct sk_buff *skb;

	while ((skb = skb_dequeue(&wire))) {
		n += *(__le32 *)skb->data == cpu_to_le32(MESSAGE_INITIATION);
		kfree_skb(skb);
	}
	return n;
}

/* The device receives an initiation of the other end from @from. */
static void tunnel_receive_initiation(struct kunit *test, struct tunnel *t,
				      const struct endpoint *from)
{
	struct message_initiation *msg;
	struct sk_buff *skb;

	skb = alloc_skb(512, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, skb);
	skb_reserve(skb, 128);
	msg = skb_put_zero(skb, sizeof(*msg));
	msleep(50);
	KUNIT_ASSERT_EQ(test, fwg_noise_initiate(t->us, msg), 0);
	msg->type = cpu_to_le32(MESSAGE_INITIATION);
	fwg_noise_add_macs(t->us, msg, sizeof(*msg));
	*(struct endpoint *)skb->cb = *from;
	skb_queue_tail(&t->device->handshakes, skb);
}

static void tunnel_answer(struct tunnel *t)
{
	queue_work(t->device->answer_wq, &t->device->handshake_work);
	flush_work(&t->device->handshake_work);
}

static const struct endpoint elsewhere = {
	.addr4.sin_family = AF_INET,
	.addr4.sin_port = htons(6666),
	.addr4.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
};

/*
 * R12: an initiation that was recorded after the snapshot is new to a clone. It is
 * answered, but the clone still sends to the peer's endpoint.
 */
static void replayed_initiation_moves_nobody(struct kunit *test)
{
	unsigned int replayed;
	struct endpoint before;
	struct tunnel t;

	for (replayed = 0; replayed < 2; replayed++) {
		tunnel_create(test, &t);
		tunnel_listen(test, &t);
		tunnel_connect(test, &t);
		before = t.peer->path.endpoint;
		skb_queue_purge(&wire);
		tunnel_receive_initiation(test, &t, &elsewhere);
		fork_and_reset();
		if (replayed)
			tunnel_answer(&t);
		else
			skb_queue_purge(&t.device->handshakes);
		KUNIT_EXPECT_EQ(test, !!atomic64_read(&t.peer->rx_bytes), replayed);
		KUNIT_EXPECT_FALSE(test, memcmp(&t.peer->path.endpoint.addr4, &before.addr4,
						sizeof(before.addr4)));
		msleep(2 * RECOVERY_MSECS);
		flush_work(&t.peer->initiation_work);
		KUNIT_EXPECT_GT(test, initiations_on_wire(), 0U);
		tunnel_destroy(&t);
	}
}

/* An unknown endpoint is learnt from the first initiation. */
static void first_initiation_tells_endpoint(struct kunit *test)
{
	static const struct endpoint nowhere;
	struct tunnel t;

	tunnel_create(test, &t);
	fwg_path_set(&t.peer->path, &nowhere);
	tunnel_receive_initiation(test, &t, &elsewhere);
	tunnel_answer(&t);
	KUNIT_EXPECT_EQ(test, ntohs(t.peer->path.endpoint.addr4.sin_port), 6666);
	tunnel_destroy(&t);
}

/* R8: an initiation that was a moment too early is sent a moment later. */
static void early_initiation_is_not_lost(struct kunit *test)
{
	struct tunnel t;
	bool pending;

	tunnel_create(test, &t);
	tunnel_connect(test, &t);
	msleep(100);
	fork_and_reset();
	/* The timer has expired ... */
	del_timer_sync(&t.peer->timers.recover);
	KUNIT_EXPECT_TRUE(test, fwg_send_queue_initiation(t.peer, false));
	/* ... and before the worker runs, an initiation of the peer is answered. */
	fwg_timers_responded(&t.peer->timers);
	flush_work(&t.peer->initiation_work);
	pending = timer_pending(&t.peer->timers.recover) ||
		  timer_pending(&t.peer->timers.retransmit_handshake);
	KUNIT_EXPECT_TRUE(test, pending);
	tunnel_destroy(&t);
}

/* A machine that is about to sleep does not keep trying, and recovers at once afterwards. */
static void sleep_costs_nothing(struct kunit *test)
{
	unsigned int i, attempts = 0;
	struct tunnel t;
	s64 last, now;

	tunnel_create(test, &t);
	tunnel_listen(test, &t);
	tunnel_connect(test, &t);
	msleep(100);
	WRITE_ONCE(generation_frozen, true);
	fork_and_reset();
	last = atomic64_read(&t.peer->timers.last_handshake_sent);
	for (i = 0; i < 150; i++) {
		msleep(20);
		now = atomic64_read(&t.peer->timers.last_handshake_sent);
		attempts += now != last;
		last = now;
	}
	/* One attempt for each reset, not one every 40 ms. */
	KUNIT_EXPECT_LE(test, attempts, 4U);
	skb_queue_purge(&wire);
	WRITE_ONCE(generation_frozen, false);
	fork_and_reset();
	msleep(RECOVERY_MSECS);
	flush_work(&t.peer->initiation_work);
	KUNIT_EXPECT_EQ(test, initiations_on_wire(), 1U);
	tunnel_destroy(&t);
}

static struct tunnel *answering;
static bool was_armed;

static int note_timer(struct sock *sk, struct sk_buff *skb)
{
	was_armed = timer_pending(&answering->peer->timers.retransmit_handshake);
	kfree_skb(skb);
	return 0;
}

/*
 * The retransmission timer is armed before the initiation is sent, so that an
 * immediate response stops it. Otherwise a second handshake would follow after five
 * seconds.
 */
static void retransmission_is_due_before_the_answer(struct kunit *test)
{
	struct tunnel t;

	tunnel_create(test, &t);
	tunnel_listen(test, &t);
	answering = &t;
	was_armed = false;
	WRITE_ONCE(udp_sk(t.socket->sk)->encap_rcv, note_timer);
	del_timer_sync(&t.peer->timers.retransmit_handshake);
	KUNIT_EXPECT_TRUE(test, fwg_send_queue_initiation(t.peer, false));
	flush_work(&t.peer->initiation_work);
	msleep(100);
	KUNIT_EXPECT_TRUE(test, was_armed);
	tunnel_destroy(&t);
}

/* Give up the handshake that is under way. */
static void give_up(struct tunnel *t)
{
	del_timer_sync(&t->peer->timers.recover);
	atomic_set(&t->peer->timers.handshake_attempts, MAX_HANDSHAKE_ATTEMPTS + 1);
	mod_timer(&t->peer->timers.retransmit_handshake, jiffies);
	msleep(50);
}

/* A peer that never answers is tried less and less often, and in the end no more. */
static void recovery_ends(struct kunit *test)
{
	unsigned long left, last = 0;
	unsigned int rounds;
	struct tunnel t;

	tunnel_create(test, &t);
	tunnel_connect(test, &t);
	fork_and_reset();
	for (rounds = 0; rounds < 20; rounds++) {
		give_up(&t);
		if (!timer_pending(&t.peer->timers.recover))
			break;
		left = t.peer->timers.recover.expires - jiffies;
		KUNIT_EXPECT_GE(test, left, max(last, (REKEY_AFTER_TIME - 1UL) * HZ));
		last = left;
	}
	/* For about an hour. */
	KUNIT_EXPECT_GE(test, rounds, 4U);
	KUNIT_EXPECT_LE(test, rounds, 8U);
	KUNIT_EXPECT_GE(test, last, 1000UL * HZ);
	KUNIT_EXPECT_LE(test, last, 4000UL * HZ);
	KUNIT_EXPECT_FALSE(test, t.peer->timers.recovering);

	/* After the next fork, recovery begins again. */
	tunnel_connect(test, &t);
	fork_and_reset();
	KUNIT_EXPECT_TRUE(test, timer_pending(&t.peer->timers.recover));
	tunnel_destroy(&t);
}

/* R8: a handshake that begins before the reset comes is tried again for as long. */
static void handshake_before_the_reset_recovers(struct kunit *test)
{
	struct tunnel t;

	tunnel_create(test, &t);
	tunnel_connect(test, &t);
	fork_tunnel();
	KUNIT_EXPECT_EQ(test, fwg_noise_initiate(t.peer->noise, t.initiation), 0);
	fwg_device_reset(FORKGUARD_RESET_CAUSE_PACKET, true);
	give_up(&t);
	KUNIT_EXPECT_TRUE(test, timer_pending(&t.peer->timers.recover));

	/* It is over with the next session, although the reset comes late. */
	tunnel_connect(test, &t);
	fwg_timers_handshake_complete(&t.peer->timers);
	fork_tunnel();
	tunnel_connect(test, &t);
	fwg_device_reset(FORKGUARD_RESET_CAUSE_PACKET, true);
	KUNIT_EXPECT_FALSE(test, t.peer->timers.recovering);
	tunnel_destroy(&t);
}

/* The peer's handshake has given us a session: ours need not be tried again. */
static void session_makes_initiation_needless(struct kunit *test)
{
	struct tunnel t;

	tunnel_create(test, &t);
	tunnel_connect(test, &t);
	del_timer_sync(&t.peer->timers.retransmit_handshake);
	WRITE_ONCE(t.peer->timers.hurry, false);
	atomic64_set(&t.peer->timers.last_handshake_sent, -REKEY_TIMEOUT * (s64)NSEC_PER_SEC);
	KUNIT_EXPECT_TRUE(test, fwg_send_queue_initiation(t.peer, false));
	/* Before the worker runs. */
	fwg_timers_responded(&t.peer->timers);
	flush_work(&t.peer->initiation_work);
	KUNIT_EXPECT_FALSE(test, timer_pending(&t.peer->timers.retransmit_handshake));
	tunnel_destroy(&t);
}

/* A hub with many live peers does not begin all their handshakes at once. */
static void recovery_is_spread(struct kunit *test)
{
	static const unsigned int live[] = { 0, 999, 5000 };
	unsigned long left;
	struct tunnel t;
	unsigned int i;

	tunnel_create(test, &t);
	for (i = 0; i < ARRAY_SIZE(live); i++) {
		del_timer_sync(&t.peer->timers.recover);
		fwg_timers_recover(&t.peer->timers, live[i]);
		left = t.peer->timers.recover.expires - jiffies;
		KUNIT_EXPECT_GE(test, left + 1, live[i] / 1000 * (HZ / 3));
		KUNIT_EXPECT_LE(test, left,
				msecs_to_jiffies(RECOVERY_INTERVAL) + 2 +
					(live[i] / 1000 + 1) * (HZ / 3));
	}
	tunnel_destroy(&t);
}

/* A message of the other end, as it waits to be answered. */
static struct sk_buff *tunnel_message(struct kunit *test, struct tunnel *t, const void *msg,
				      size_t len)
{
	struct sk_buff *skb = alloc_skb(512, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, skb);
	skb_reserve(skb, 128);
	fwg_noise_add_macs(t->us, skb_put_data(skb, msg, len), len);
	*(struct endpoint *)skb->cb = t->peer->path.endpoint;
	return skb;
}

/* The other end responds to a pending initiation. */
static void tunnel_respond(struct kunit *test, struct tunnel *t)
{
	struct fwg_peer *owner;

	msleep(50);
	KUNIT_ASSERT_EQ(test, fwg_noise_initiate(t->peer->noise, t->initiation), 0);
	KUNIT_ASSERT_EQ(test, fwg_noise_respond(t->remote, t->initiation, t->response, &owner), 0);
	t->response->type = cpu_to_le32(MESSAGE_RESPONSE);
}

/* How many cookie replies the other end has received. */
static unsigned int cookies_on_wire(void)
{
	unsigned int n = 0;
	struct sk_buff *skb;

	while ((skb = skb_dequeue(&wire))) {
		n += *(__le32 *)skb->data == cpu_to_le32(MESSAGE_COOKIE);
		kfree_skb(skb);
	}
	return n;
}

/*
 * All peers of a recovering hub answer at once. Under load, it accepts their responses
 * without cookies, but not any number of them.
 */
static void expected_responses_need_no_cookie(struct kunit *test)
{
	struct message_response forged;
	unsigned int i;
	struct tunnel t;

	tunnel_create(test, &t);
	tunnel_listen(test, &t);
	flush_work(&t.peer->initiation_work);
	tunnel_respond(test, &t);
	skb_queue_purge(&wire);
	t.device->last_overload = ktime_get_coarse_boottime_ns();
	skb_queue_tail(&t.device->handshakes,
		       tunnel_message(test, &t, t.response, sizeof(*t.response)));
	tunnel_answer(&t);
	KUNIT_EXPECT_TRUE(test, fwg_noise_peer_has_session(t.peer->noise));
	msleep(100);
	KUNIT_EXPECT_EQ(test, cookies_on_wire(), 0U);

	/* An unexpected response. */
	forged = *t.response;
	forged.receiver_index ^= cpu_to_le32(1);
	t.device->last_overload = ktime_get_coarse_boottime_ns();
	skb_queue_tail(&t.device->handshakes, tunnel_message(test, &t, &forged, sizeof(forged)));
	tunnel_answer(&t);
	msleep(100);
	KUNIT_EXPECT_EQ(test, cookies_on_wire(), 1U);

	/* A host that has seen an initiation can forge any number of responses. */
	tunnel_respond(test, &t);
	skb_queue_purge(&wire);
	t.device->last_overload = ktime_get_coarse_boottime_ns();
	for (i = 0; i < 20; i++) {
		forged = *t.response;
		forged.encrypted_nothing[0] ^= i + 1;
		skb_queue_tail(&t.device->handshakes,
			       tunnel_message(test, &t, &forged, sizeof(forged)));
	}
	tunnel_answer(&t);
	msleep(100);
	KUNIT_EXPECT_GE(test, cookies_on_wire(), 15U);
	tunnel_destroy(&t);
}

static struct kunit_case recovery_cases[] = {
	KUNIT_CASE(replayed_initiation_moves_nobody),
	KUNIT_CASE(first_initiation_tells_endpoint),
	KUNIT_CASE(early_initiation_is_not_lost),
	KUNIT_CASE(sleep_costs_nothing),
	KUNIT_CASE(retransmission_is_due_before_the_answer),
	KUNIT_CASE(recovery_ends),
	KUNIT_CASE(handshake_before_the_reset_recovers),
	KUNIT_CASE(session_makes_initiation_needless),
	KUNIT_CASE(recovery_is_spread),
	KUNIT_CASE(expected_responses_need_no_cookie),
	{},
};

static struct kunit_suite recovery_suite = {
	.name = "recovery",
	.init = device_test_init,
	.exit = device_test_exit,
	.test_cases = recovery_cases,
};

kunit_test_suite(recovery_suite);
