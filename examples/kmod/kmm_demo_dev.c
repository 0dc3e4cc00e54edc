// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
/*
 * Offers /dev/kmm_demo_dev. Whoever has it open holds the module in the kernel, as a program
 * that uses a driver does. With absent=1 it finds no device, and does not load.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/moduleparam.h>

static bool absent;
module_param(absent, bool, 0444);
MODULE_PARM_DESC(absent, "behave as on a machine without the device");

static const struct file_operations operations = {
	.owner = THIS_MODULE,
	.llseek = noop_llseek,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = KBUILD_MODNAME,
	.fops = &operations,
};

static int __init kmm_demo_dev_start(void)
{
	int failure = absent ? -ENODEV : misc_register(&device);

	if (!failure)
		pr_info("is there\n");
	return failure;
}

static void __exit kmm_demo_dev_stop(void)
{
	misc_deregister(&device);
	pr_info("is gone\n");
}

module_init(kmm_demo_dev_start);
module_exit(kmm_demo_dev_stop);

MODULE_DESCRIPTION("KMM example: a device file that can be held open");
MODULE_AUTHOR("The KMM authors");
MODULE_VERSION("1.0");
MODULE_LICENSE("GPL");
