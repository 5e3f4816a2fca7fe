// SPDX-License-Identifier: GPL-2.0
/* `fwg show`: prints interfaces or a field of them. */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "device_json.h"
#include "field.h"
#include "json.h"
#include "kernel.h"
#include "pretty.h"

struct request {
	enum field field;
	bool json;
	bool all;
};

static int show_device(const char *name, const struct request *request, bool first)
{
	struct device dev = { 0 };
	int ret = kernel_get_device(name, &dev);

	if (!ret && request->json) {
		device_json(&dev, request->field);
	} else if (!ret && request->field) {
		field_print(&dev, request->field, request->all);
	} else if (!ret) {
		if (!first)
			putchar('\n');
		ret = pretty_print(&dev);
	}
	device_clear(&dev);
	return ret;
}

/* If one interface is removed meanwhile, still shows the others. */
static int show_all(const struct request *request)
{
	struct name_list list;
	bool shown = false;

	if (kernel_list_devices(&list))
		return -1;
	for (size_t i = 0; i < list.count; i++)
		if (!show_device(list.names[i], request, !shown))
			shown = true;
	free(list.names);
	return shown || !list.count ? 0 : -1;
}

static int show_names(bool json)
{
	struct name_list list;

	if (kernel_list_devices(&list))
		return -1;
	for (size_t i = 0; i < list.count; i++) {
		if (json)
			json_string(NULL, list.names[i]);
		else
			printf("%s%c", list.names[i], i + 1 < list.count ? ' ' : '\n');
	}
	free(list.names);
	return 0;
}

static int show(const char *which, struct request *request)
{
	if (!strcmp(which, "interfaces"))
		return show_names(request->json);
	request->all = !strcmp(which, "all");
	if (request->all)
		return show_all(request);
	return show_device(which, request, true);
}

int cmd_show(int argc, char *argv[])
{
	struct request request = { .json = take_json(&argc, argv) };
	const char *which = argc > 1 ? argv[1] : "all";
	int ret;

	if (too_many(argc, argv, !strcmp(which, "interfaces") ? 1 : 2) || !valid_interface(which))
		return 1;
	if (argc > 2) {
		request.field = field_by_name(argv[2]);
		if (!request.field) {
			warnx("Invalid parameter: `%s'", argv[2]);
			return 1;
		}
	}
	if (request.json)
		json_open(NULL, '[');
	ret = show(which, &request);
	if (request.json) {
		json_close(']');
		json_end();
	}
	return ret ? 1 : 0;
}
