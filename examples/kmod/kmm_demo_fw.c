// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
/*
 * Reads a firmware file when it is loaded, as a driver would, and refuses to load without it.
 * With optional=1 it loads all the same.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/firmware.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/platform_device.h>

#define FIRMWARE_NAME "kmm/demo.bin"

static bool optional;
module_param(optional, bool, 0444);
MODULE_PARM_DESC(optional, "load even if the firmware file is missing");

/* request_firmware wants a device to speak for; the module has no hardware, so it makes one. */
static struct platform_device *device;

static int __init kmm_demo_fw_start(void)
{
	const struct firmware *blob;
	int failure;

	device = platform_device_register_simple("kmm_demo_fw", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(device))
		return PTR_ERR(device);

	failure = request_firmware(&blob, FIRMWARE_NAME, &device->dev);
	if (failure && !optional) {
		platform_device_unregister(device);
		return failure;
	}
	if (failure) {
		pr_info("goes on without %s (%d)\n", FIRMWARE_NAME, failure);
		return 0;
	}
	pr_info("read %zu bytes of %s\n", blob->size, FIRMWARE_NAME);
	release_firmware(blob);
	return 0;
}

static void __exit kmm_demo_fw_stop(void)
{
	platform_device_unregister(device);
}

module_init(kmm_demo_fw_start);
module_exit(kmm_demo_fw_stop);

MODULE_DESCRIPTION("KMM example: reads a firmware file");
MODULE_AUTHOR("The KMM authors");
MODULE_VERSION("1.0");
MODULE_FIRMWARE(FIRMWARE_NAME);
MODULE_LICENSE("GPL");
