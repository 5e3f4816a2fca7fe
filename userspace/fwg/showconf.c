// SPDX-License-Identifier: GPL-2.0
/* `fwg showconf`: prints the configuration, with secrets, as a file for setconf. */
#include <err.h>
#include <inttypes.h>
#include <stdio.h>

#include "commands.h"
#include "device_json.h"
#include "json.h"
#include "kernel.h"
#include "text.h"

static void print_key(const char *name, const uint8_t key[KEY_LEN])
{
	printf("%s = ", name);
	key_print_line(key);
}

static void print_interface(const struct device *dev)
{
	puts("[Interface]");
	if (dev->listen_port)
		printf("ListenPort = %u\n", dev->listen_port);
	if (dev->fwmark)
		printf("FwMark = 0x%" PRIx32 "\n", dev->fwmark);
	if (dev->has_private_key)
		print_key("PrivateKey", dev->private_key);
	putchar('\n');
}

static void print_peer(const struct peer *peer)
{
	char address[INET6_ADDRSTRLEN], endpoint[ENDPOINT_TEXT_SIZE];

	puts("[Peer]");
	print_key("PublicKey", peer->public_key);
	if (peer->has_preshared_key)
		print_key("PresharedKey", peer->preshared_key);
	if (peer->allowed_ips)
		fputs("AllowedIPs = ", stdout);
	for (const struct allowed_ip *ip = peer->allowed_ips; ip; ip = ip->next)
		printf("%s/%u%s", address_text(address, ip), ip->cidr, ip->next ? ", " : "\n");
	if (peer->endpoint.any.sa_family != AF_UNSPEC)
		printf("Endpoint = %s\n", endpoint_text(endpoint, &peer->endpoint));
	if (peer->persistent_keepalive)
		printf("PersistentKeepalive = %u\n", peer->persistent_keepalive);
	if (peer->next)
		putchar('\n');
}

static void print_file(const struct device *dev)
{
	print_interface(dev);
	for (const struct peer *peer = dev->peers; peer; peer = peer->next)
		print_peer(peer);
}

/* Prints it in an array, as show does. */
static void print_json(const struct device *dev)
{
	json_open(NULL, '[');
	device_json(dev, FIELD_CONFIG);
	json_close(']');
	json_end();
}

int cmd_showconf(int argc, char *argv[])
{
	const bool json = take_json(&argc, argv);
	struct device dev = { 0 };
	int ret;

	if (argc < 2) {
		warnx("showconf needs an interface");
		return 1;
	}
	if (too_many(argc, argv, 1) || !valid_interface(argv[1]))
		return 1;
	ret = kernel_get_device(argv[1], &dev);
	if (!ret && json)
		print_json(&dev);
	else if (!ret)
		print_file(&dev);
	device_clear(&dev);
	return ret ? 1 : 0;
}
