import type { ApiContext, ApiCase } from '../context.ts'
import { at, definition, definitions, gadget, gadgetsOf } from '../objects.ts'

type Fields = Record<string, unknown>

const withRules = (properties: Fields, ...rules: Fields[]): Fields => ({
  type: 'object',
  properties: { spec: { type: 'object', properties, 'x-kubernetes-validations': rules } },
})

const number = { type: 'integer' }
const text = { type: 'string', maxLength: 20 }

/** Serves a kind with the schema, tries the specs one after the other as updates of one object, and takes the kind away. */
async function tryAll(
  { api, ns, token, until }: ApiContext,
  schema: Fields,
  specs: Record<string, unknown>,
): Promise<unknown> {
  const created = await api.post(at(definitions), definition({ token, schema }))
  if (created.status !== 201) return created
  const path = at(gadgetsOf(token), ns)
  await until(path, ({ status }) => status === 200)
  const results: Fields = {}
  for (const [name, spec] of Object.entries(specs)) {
    const there = await api.get(`${path}/g`)
    const { resourceVersion } = there.body.metadata ?? {}
    const object = gadget(token, 'g', {
      spec,
      metadata: { name: 'g', ...(there.status === 200 ? { resourceVersion } : {}) },
    })
    const answer = there.status === 200 ? await api.put(`${path}/g`, object) : await api.post(path, object)
    results[name] = answer.status < 300 ? answer.status : answer
  }
  await api.delete(at(definitions, '', `gadgets.${token}.example.com`))
  return results
}

const refused = (name: string, properties: Fields, ...rules: Fields[]): ApiCase => ({
  name,
  observe: async ({ api, token }) =>
    api.post(at(definitions), definition({ token, schema: withRules(properties, ...rules) })),
})

/** Validation rules in CEL. */
export const ruleCases: readonly ApiCase[] = [
  {
    name: 'a rule compares fields, with and without a message',
    observe: (context) =>
      tryAll(
        context,
        withRules(
          { min: number, max: number },
          { rule: 'self.min <= self.max' },
          { rule: 'self.max < 100', message: 'too much' },
        ),
        { good: { min: 1, max: 2 }, bad: { min: 3, max: 2 }, both: { min: 200, max: 100 }, missing: { min: 1 } },
      ),
  },
  {
    name: 'a rule has a reason, a field path and a message expression',
    observe: (context) =>
      tryAll(
        context,
        withRules(
          { a: text, n: number },
          { rule: "self.a != 'bad'", reason: 'FieldValueForbidden', fieldPath: '.a', message: 'not this' },
          {
            rule: 'self.n > 0',
            messageExpression: "self.n < -5 ? 'n is far too small' : 'n is not positive'",
            reason: 'FieldValueRequired',
          },
        ),
        { good: { a: 'x', n: 1 }, forbidden: { a: 'bad', n: 1 }, expression: { a: 'x', n: -1 } },
      ),
  },
  {
    name: 'transition rules see the old value, and optional ones also its absence',
    observe: (context) =>
      tryAll(
        context,
        {
          type: 'object',
          properties: {
            spec: {
              type: 'object',
              properties: {
                fixed: { ...text, 'x-kubernetes-validations': [{ rule: 'self == oldSelf', message: 'is immutable' }] },
                grows: { ...number, 'x-kubernetes-validations': [{ rule: 'self >= oldSelf' }] },
                first: {
                  ...text,
                  'x-kubernetes-validations': [
                    {
                      rule: "oldSelf.hasValue() || self == 'start'",
                      optionalOldSelf: true,
                      message: 'begins with start',
                    },
                  ],
                },
              },
            },
          },
        },
        {
          wrongStart: { fixed: 'a', grows: 1, first: 'end' },
          start: { fixed: 'a', grows: 1, first: 'start' },
          changed: { fixed: 'b', grows: 1, first: 'end' },
          shrunk: { fixed: 'a', grows: 0, first: 'end' },
          grown: { fixed: 'a', grows: 2, first: 'end' },
          removed: { grows: 2 },
          addedAgain: { fixed: 'z', grows: 2 },
        },
      ),
  },
  {
    name: 'rules about lists, maps and optional fields',
    observe: (context) =>
      tryAll(
        context,
        withRules(
          {
            items: { type: 'array', maxItems: 5, items: { type: 'object', properties: { name: text, v: number } } },
            labels: { type: 'object', maxProperties: 5, additionalProperties: text },
            one: text,
            two: text,
          },
          { rule: '!has(self.items) || self.items.all(i, i.v > 0)', message: 'all above zero' },
          { rule: "!has(self.items) || self.items.exists(i, i.name == 'main')", message: 'one is main' },
          { rule: '!has(self.items) || self.items.map(i, i.v).sum() < 10', message: 'sum' },
          { rule: "!has(self.labels) || self.labels.all(k, k.startsWith('x-'))", message: 'keys begin with x-' },
          { rule: "!('x-no' in self.labels)", message: 'not this key' },
          { rule: 'has(self.one) != has(self.two)', message: 'exactly one of one and two' },
        ),
        {
          good: { items: [{ name: 'main', v: 1 }], labels: { 'x-a': '1' }, one: 'a' },
          zero: { items: [{ name: 'main', v: 0 }], labels: {}, one: 'a' },
          noMain: { items: [{ name: 'b', v: 1 }], labels: {}, one: 'a' },
          sum: { items: [{ name: 'main', v: 11 }], labels: {}, one: 'a' },
          keys: { labels: { y: '1' }, one: 'a' },
          forbiddenKey: { labels: { 'x-no': '1' }, one: 'a' },
          both: { labels: {}, one: 'a', two: 'b' },
          none: { labels: {} },
          noLabels: { one: 'a' },
        },
      ),
  },
  {
    name: 'rules with patterns, strings and types',
    observe: (context) =>
      tryAll(
        context,
        withRules(
          { a: text, b: { 'x-kubernetes-int-or-string': true } },
          { rule: "self.a.matches('^[a-z]+$')", message: 'letters' },
          { rule: "self.a.size() < 5 && self.a.endsWith('z')", message: 'short, ends with z' },
          { rule: "self.a.replace('a', 'b').indexOf('q') == -1", message: 'no q' },
          { rule: "self.a.split('b').size() < 3", message: 'not two bs' },
          { rule: '!has(self.b) || type(self.b) == string || int(self.b) > 3', message: 'b is text or large' },
          { rule: 'self.a.lowerAscii() == self.a', message: 'lower' },
          { rule: "self.a in ['z', 'az', 'qz', 'bbz', 'Zz', '1z', 'abcdefz']", message: 'one of' },
        ),
        {
          good: { a: 'az' },
          digits: { a: '1z' },
          long: { a: 'abcdefz' },
          q: { a: 'qz' },
          bs: { a: 'bbz' },
          upper: { a: 'Zz' },
          text: { a: 'z', b: '5' },
          small: { a: 'z', b: 1 },
          large: { a: 'z', b: 5 },
          other: { a: 'yz' },
        },
      ),
  },
  {
    name: 'a rule at the root sees the name, and a rule of an item its place',
    observe: (context) =>
      tryAll(
        context,
        {
          type: 'object',
          'x-kubernetes-validations': [{ rule: "self.metadata.name == 'g' && self.kind == 'Gadget'" }],
          properties: {
            spec: {
              type: 'object',
              properties: {
                list: {
                  type: 'array',
                  maxItems: 4,
                  items: {
                    type: 'object',
                    properties: {
                      v: { ...number, 'x-kubernetes-validations': [{ rule: 'self % 2 == 0', message: 'even' }] },
                    },
                  },
                },
                map: {
                  type: 'object',
                  maxProperties: 4,
                  additionalProperties: {
                    ...text,
                    'x-kubernetes-validations': [{ rule: "self != 'no'", message: 'not no' }],
                  },
                },
              },
            },
          },
        },
        {
          good: { list: [{ v: 2 }], map: { a: 'yes' } },
          item: { list: [{ v: 2 }, { v: 3 }] },
          value: { map: { 'a.b': 'no' } },
        },
      ),
  },
  {
    name: 'a rule that fails while it runs says so',
    observe: (context) =>
      tryAll(
        context,
        withRules(
          { a: number, b: number, l: { type: 'array', maxItems: 3, items: text } },
          { rule: 'self.a / self.b > 0', message: 'division' },
          { rule: "self.l[1] == 'x'" },
        ),
        {
          good: { a: 4, b: 2, l: ['a', 'x'] },
          zero: { a: 4, b: 0, l: ['a', 'x'] },
          index: { a: 4, b: 2, l: ['a'] },
          absent: { a: 1, b: 1 },
        },
      ),
  },
  {
    name: 'an old object that breaks a new rule may still be changed elsewhere',
    observe: async ({ api, ns, token, until }) => {
      const path = at(definitions, '', `gadgets.${token}.example.com`)
      const open = withRules({ a: text, b: text })
      await api.post(at(definitions), definition({ token, schema: open }))
      const objects = at(gadgetsOf(token), ns)
      await until(objects, ({ status }) => status === 200)
      await api.post(objects, gadget(token, 'g', { spec: { a: 'bad', b: '1' } }))
      const ruled = withRules({
        a: { ...text, enum: ['good'], 'x-kubernetes-validations': [{ rule: "self == 'good'" }] },
        b: text,
      })
      const definitionPatch = [{ op: 'replace', path: '/spec/versions/0/schema/openAPIV3Schema', value: ruled }]
      await api.patch(path, 'json', definitionPatch)
      const probe = gadget(token, 'probe', { spec: { a: 'bad' } })
      await until(objects, () => true)
      let refusal = await api.post(`${objects}?dryRun=All`, probe)
      for (let tries = 0; refusal.status < 300 && tries < 100; tries++) {
        await new Promise((resolve) => setTimeout(resolve, 50))
        refusal = await api.post(`${objects}?dryRun=All`, probe)
      }
      const result = {
        refusal,
        elsewhere: await api.patch(`${objects}/g`, 'merge', { spec: { b: '2' } }),
        there: await api.patch(`${objects}/g`, 'merge', { spec: { a: 'worse' } }),
      }
      await api.delete(path)
      return result
    },
  },
  refused('a rule that does not parse is refused', { a: text }, { rule: 'self.a ==' }),
  refused('a rule about an unknown field is refused', { a: text }, { rule: 'self.b == 1' }),
  refused('a rule that is not true or false is refused', { a: text }, { rule: 'self.a' }),
  refused('a rule that compares different types is refused', { a: text }, { rule: 'self.a == 1' }),
  refused('a rule with an unknown function is refused', { a: text }, { rule: 'self.a.shout()' }),
  refused('a message expression that is no text is refused', { a: text }, { rule: 'true', messageExpression: '1' }),
  refused(
    'a rule that could cost too much is refused',
    {
      list: { type: 'array', items: { type: 'array', items: { type: 'string' } } },
    },
    { rule: 'self.list.all(x, x.all(y, x.all(z, y.contains(z))))' },
  ),
  refused(
    'a rule with an unknown reason, line breaks, or nothing is refused',
    { a: text },
    { rule: 'true', reason: 'Because' },
    { rule: 'true', message: 'a\nb' },
    { rule: '' },
    { rule: 'true &&\ntrue' },
    { rule: 'true', fieldPath: '.nowhere' },
  ),
  refused('an old value where no transition can be followed is refused', {
    set: { type: 'array', maxItems: 3, items: { ...text, 'x-kubernetes-validations': [{ rule: 'self == oldSelf' }] } },
  }),
]
