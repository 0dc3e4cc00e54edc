// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
/*
 * The module that kmm_demo depends on. It exports one symbol and does nothing else, so that
 * loading kmm_demo shows modprobe bringing in a dependency.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/module.h>

#include "kmm_demo_dep.h"

static atomic_t greetings = ATOMIC_INIT(0);

int kmm_demo_dep_count_greeting(void)
{
	return atomic_inc_return(&greetings);
}
EXPORT_SYMBOL_GPL(kmm_demo_dep_count_greeting);

static int __init kmm_demo_dep_start(void)
{
	pr_info("ready to count\n");
	return 0;
}

static void __exit kmm_demo_dep_stop(void)
{
	pr_info("counted %d greetings\n", atomic_read(&greetings));
}

module_init(kmm_demo_dep_start);
module_exit(kmm_demo_dep_stop);

MODULE_DESCRIPTION("KMM example: counts greetings for kmm_demo");
MODULE_AUTHOR("The KMM authors");
MODULE_VERSION("1.0");
MODULE_LICENSE("GPL");
