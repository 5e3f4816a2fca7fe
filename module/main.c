// SPDX-License-Identifier: GPL-2.0
/* main: loads and unloads the module. */

#include "clock.h"
#include "device.h"
#include "generation.h"
#include "netlink.h"
#include "reset.h"

#include <linux/module.h>
#include <net/genetlink.h>
#include <net/rtnetlink.h>

static bool replace_wireguard;
module_param(replace_wireguard, bool, 0444);
MODULE_PARM_DESC(replace_wireguard,
		 "Also answer to the name wireguard, for tools that know no other (off by default)");

static int __init forkguard_init(void)
{
	int err;

	fwg_reset_init(fwg_netlink_tell_reset);
	err = fwg_generation_init(fwg_device_reset);
	if (err)
		return err;
	fwg_clock_init();
	err = fwg_device_init(replace_wireguard);
	if (err)
		goto err_generation;
	err = fwg_netlink_init(replace_wireguard);
	if (err)
		goto err_device;
	return 0;

err_device:
	fwg_device_exit(replace_wireguard);
err_generation:
	fwg_generation_exit();
	if (replace_wireguard && err == -EEXIST) {
		pr_err("replace_wireguard is refused while WireGuard itself is there: rmmod wireguard, and blacklist it in /etc/modprobe.d\n");
		/* modprobe would take -EEXIST to mean that we are already loaded: success. */
		return -EBUSY;
	}
	return err;
}

static void __exit forkguard_exit(void)
{
	fwg_device_exit(replace_wireguard);
	fwg_netlink_exit(replace_wireguard);
	fwg_generation_exit();
	/* Peers and sessions are freed by RCU. */
	rcu_barrier();
}

module_init(forkguard_init);
module_exit(forkguard_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("WireGuard-compatible tunnel that never reuses a nonce across a VM fork");
MODULE_ALIAS_RTNL_LINK(KBUILD_MODNAME);
MODULE_ALIAS_GENL_FAMILY(FORKGUARD_GENL_NAME);
