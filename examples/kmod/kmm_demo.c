// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
/*
 * Greets as often as it is asked to. Shows module parameters (a number and a text) and a
 * dependency on the symbol of another module of the same image.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/module.h>
#include <linux/moduleparam.h>

#include "kmm_demo_dep.h"

#define MOST_GREETINGS 100

static int count = 1;
module_param(count, int, 0444);
MODULE_PARM_DESC(count, "how many times to greet, from 0 to 100");

static char *greeting = "hello";
module_param(greeting, charp, 0444);
MODULE_PARM_DESC(greeting, "what to say");

static int __init kmm_demo_start(void)
{
	int i;

	if (count < 0 || count > MOST_GREETINGS) {
		pr_err("count is %d and has to be from 0 to %d\n", count, MOST_GREETINGS);
		return -EINVAL;
	}
	for (i = 0; i < count; i++)
		pr_info("%s (greeting %d)\n", greeting, kmm_demo_dep_count_greeting());
	return 0;
}

static void __exit kmm_demo_stop(void)
{
	pr_info("goodbye\n");
}

module_init(kmm_demo_start);
module_exit(kmm_demo_stop);

MODULE_DESCRIPTION("KMM example: greets in the kernel's log");
MODULE_AUTHOR("The KMM authors");
MODULE_VERSION("1.0");
MODULE_LICENSE("GPL");
