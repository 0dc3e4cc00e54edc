/** Where the webhook writes what happens; the programs' logger is one. */
export interface WebhookLogger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}
