import { expect, it } from 'vitest'
import { findEnvironmentProxy } from './environment-proxy.ts'

const proxy = 'http://proxy:3128'
const all = { HTTPS_PROXY: proxy, HTTP_PROXY: 'http://plain:3128' }

it.each([
  ['https://api.example:6443', {}, proxy],
  ['http://api.example', {}, 'http://plain:3128'],
  ['https://localhost:6443', {}, undefined],
  ['https://127.0.0.1:6443', {}, undefined],
  ['https://[::1]:6443', {}, undefined],
  ['https://api.example', { NO_PROXY: '*' }, undefined],
  ['https://api.example', { NO_PROXY: 'example' }, undefined],
  ['https://api.example.', { NO_PROXY: 'API.example' }, undefined],
  ['https://example', { NO_PROXY: '.example' }, proxy],
  ['https://api.example', { NO_PROXY: 'other, *.example' }, undefined],
  ['https://notexample', { NO_PROXY: 'example' }, proxy],
  ['https://api.example:6443', { NO_PROXY: 'api.example:443' }, proxy],
  ['https://api.example', { NO_PROXY: 'api.example:443' }, undefined],
  ['https://10.1.2.3:6443', { NO_PROXY: '10.0.0.0/8' }, undefined],
  ['https://11.1.2.3:6443', { NO_PROXY: '10.0.0.0/8,10.1.2.3' }, proxy],
  ['https://[fd00::1]:6443', { NO_PROXY: 'fd00::/8' }, undefined],
  ['https://[fd00::1]:6443', { NO_PROXY: 'fd00::1' }, undefined],
])('%s with %j goes through %s', (server, variables, expected) => {
  expect(findEnvironmentProxy(server, { ...all, ...variables })).toBe(expected)
})

it('reads the variables in small letters, too, and needs no scheme', () => {
  expect(findEnvironmentProxy('https://api.example', { https_proxy: 'proxy:3128' })).toBe(proxy)
  expect(findEnvironmentProxy('https://api.example', {})).toBeUndefined()
})

it('refuses a proxy that it cannot use', () => {
  expect(() => findEnvironmentProxy('https://api.example', { HTTPS_PROXY: 'socks5://proxy' })).toThrow(
    /HTTPS_PROXY must name an http or https proxy/,
  )
})
