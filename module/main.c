// SPDX-License-Identifier: GPL-2.0
/* main: loads and unloads the module. */

#include "clock.h"
#include "device.h"
#include "generation.h"
#include "netlink.h"

#include <linux/module.h>
#include <net/genetlink.h>
#include <net/rtnetlink.h>

static int __init forkguard_init(void)
{
	int err;

	err = generation_init(device_reset);
	if (err)
		return err;
	clock_init();
	err = device_init();
	if (err)
		goto err_generation;
	err = netlink_init();
	if (err)
		goto err_device;
	return 0;

err_device:
	device_exit();
err_generation:
	generation_exit();
	return err;
}

static void __exit forkguard_exit(void)
{
	device_exit();
	netlink_exit();
	generation_exit();
	/* Peers and sessions are freed by RCU. */
	rcu_barrier();
}

module_init(forkguard_init);
module_exit(forkguard_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("WireGuard-compatible tunnel that never reuses a nonce across a VM fork");
MODULE_ALIAS_RTNL_LINK(KBUILD_MODNAME);
MODULE_ALIAS_GENL_FAMILY(FORKGUARD_GENL_NAME);
