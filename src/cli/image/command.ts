import { Command } from 'commander'
import { createCheckCommand } from './check.ts'
import type { ImageCommandOptions } from './context.ts'
import { createInspectCommand } from './inspect.ts'
import { createSignCommand } from './sign.ts'

/** `kmm image`: looks into kmod images, checks them against a kernel, and signs them. */
export function createImageCommand(options: ImageCommandOptions): Command {
  return new Command('image')
    .description('look into kernel module images, check them, sign them')
    .addCommand(createInspectCommand(options))
    .addCommand(createCheckCommand(options))
    .addCommand(createSignCommand(options))
}
