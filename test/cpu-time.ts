/** The processor time that something takes in this process, in milliseconds: unlike time, it is the same on a busy machine. */
export async function measureCpuMs(run: () => unknown): Promise<number> {
  const before = process.cpuUsage()
  await run()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1_000
}
