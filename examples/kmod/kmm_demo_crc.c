// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
/*
 * Uses a function of crc-itu-t, a module of the kernel's own tree. An image with it links to the
 * node's tree, so that modprobe finds that module, too.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/crc-itu-t.h>
#include <linux/module.h>

static int __init kmm_demo_crc_start(void)
{
	static const u8 text[] = { 'k', 'm', 'm' };

	pr_info("the sum is %04x\n", crc_itu_t(0, text, sizeof(text)));
	return 0;
}

static void __exit kmm_demo_crc_stop(void)
{
	pr_info("sums no more\n");
}

module_init(kmm_demo_crc_start);
module_exit(kmm_demo_crc_stop);

MODULE_DESCRIPTION("KMM example: depends on a module of the kernel's own tree");
MODULE_AUTHOR("The KMM authors");
MODULE_VERSION("1.0");
MODULE_LICENSE("GPL");
