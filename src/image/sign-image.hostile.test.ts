import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SigningFixture, unsignedModule } from '../../test/signing-fixture.ts'
import { directory, file, symbolicLink, type TestEntry } from '../../test/tar-builder.ts'

let fixture: SigningFixture
beforeEach(async () => {
  fixture = await SigningFixture.start()
})
afterEach(async () => {
  expect(fixture.leftovers).toEqual([])
  await fixture.stop()
})

const folder = 'opt/lib/modules/6.1.0'
const module = file(`${folder}/a.ko`, unsignedModule)
const repeat = (count: number, make: (index: number) => TestEntry[]): TestEntry[] =>
  Array.from({ length: count }, (_, index) => make(index)).flat()
const pax = (entry: TestEntry, records: Record<string, string>): TestEntry => ({ ...entry, pax: records })

/** Signs a glob of an image of one layer, and answers what came of it. */
async function sign(entries: TestEntry[], wish = `/${folder}/*.ko`): Promise<string> {
  await fixture.push([entries])
  return fixture.sign([wish]).then(
    ({ files }) => files.map(({ path }) => path).join(' '),
    (error: unknown) => (error as { code: string }).code,
  )
}

describe('an image made to harm', () => {
  it('with links that lead up does not make a glob match without end', async () => {
    const links = repeat(100, (index) => [symbolicLink(`opt/up${index}`, '.')])
    expect(await sign([module, ...links], '/opt/*/*/*/*/*/x.ko')).toBe('LimitExceeded')
  })

  it('with links of endless names does not make a path endless', async () => {
    const long = (index: number): TestEntry =>
      symbolicLink(`opt/l${index}`, `${'x/../'.repeat(700)}l${index + 1}/${'../opt/'.repeat(20)}`)
    expect(await sign([module, ...repeat(60, (index) => [long(index)])], '/opt/l0/a.ko')).toBe('FilesToSignInvalid')
  })

  it('with names that no file system holds does not hide what is there', async () => {
    const deep = `${'d/'.repeat(100_000)}x.ko`
    expect(
      await sign([module, pax(file('deep'), { path: deep }), pax(symbolicLink('opt/s', 'x'), { linkpath: deep })]),
    ).toBe(`/${folder}/a.ko`)
  })

  it('with attributes without end is refused', async () => {
    const records = { 'SCHILY.xattr.user.x': 'x'.repeat(4_000_000) }
    expect(await sign([module, ...repeat(20, (index) => [pax(directory(`opt/d${index}`), records)])])).toBe(
      'LimitExceeded',
    )
  })

  it('that makes and replaces directories without end is refused', async () => {
    const swaps = repeat(200, () => [directory('opt/d'), symbolicLink('opt/d', 'x')])
    expect(await sign([module, ...swaps])).toBe('LimitExceeded')
  })

  it.each(['../../etc/cron.d/x.ko', '/../x.ko', 'opt/../../x.ko'])('with an entry "%s" is refused', async (name) => {
    expect(await sign([module, file(name, unsignedModule)])).toBe('ImageInvalid')
  })
})
