// SPDX-License-Identifier: GPL-2.0
/* Fuzzes the words of `fwg set`: each line of the input is a word. */
#include <stdlib.h>
#include <string.h>

#include "../../userspace/fwg/config.h"

#include "config_oracle.h"
#include "config_world.h"
#include "harness.h"

/* The words as main() gets them, each in memory of its exact length, and NULL at the end. */
static char **split(const uint8_t *data, size_t size, int *count)
{
	char *copy = strndup((const char *)data, size), *rest = copy, *word;
	char **words = calloc(size + 2, sizeof(*words));

	*count = 0;
	while (size && (word = strsep(&rest, "\n")))
		words[(*count)++] = strdup(word);
	free(copy);
	return realloc(words, (*count + 1) * sizeof(*words));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct device dev = { 0 };
	char **words;
	int count;
	bool failed;

	caught_forget(&output);
	caught_forget(&complaints);
	world = (struct world){ 0 };

	words = split(data, size, &count);
	failed = config_from_words(&dev, count, words);
	expect_complaint(failed);
	if (!failed)
		expect_understood(&dev);
	device_clear(&dev);
	for (int i = 0; i < count; i++)
		free(words[i]);
	free(words);
	return 0;
}
