/** What a kernel says of modules; a real one also speaks of its clock and other things in between. */
export const keepModuleLines = (dmesg: readonly string[]): string[] =>
  dmesg.filter((line) => /kmm_|dummy|ifb|[Mm]odule|ELF|firmware|taint/.test(line))
