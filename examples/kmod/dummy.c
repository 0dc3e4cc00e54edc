// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
/*
 * Has the name of a driver of the kernel's own tree, which it stands in for, and like that one no
 * version of its own. Shows inTreeModulesToRemove.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>

static int __init dummy_start(void)
{
	pr_info("stands in for the kernel's own\n");
	return 0;
}

static void __exit dummy_stop(void)
{
	pr_info("stands in no more\n");
}

module_init(dummy_start);
module_exit(dummy_stop);

MODULE_DESCRIPTION("KMM example: stands in for a driver of the kernel's own tree");
MODULE_AUTHOR("The KMM authors");
MODULE_LICENSE("GPL");
