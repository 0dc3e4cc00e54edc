/** What a kernel says of modules; a real one also speaks of its clock and other things in between. */
export const keepModuleLines = (dmesg: readonly string[]): string[] =>
  dmesg.filter((line) => /kmm_|dummy|ifb|[Mm]odule|ELF|firmware|taint/.test(line))

/** How often the kernel was told to insert kmm_demo_dep, whose code says so when it starts. */
export const countInsertions = (dmesg: readonly string[]): number =>
  dmesg.filter((line) => line === 'kmm_demo_dep: ready to count').length
