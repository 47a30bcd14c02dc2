// Analytics.js as a test client: `node browser.mjs HOST WRITE_KEY [STRATEGY]`. The page below is as much of a browser
// as the library asks for. STRATEGY `batching` makes it post to /v1/b.
// Prints one JSON object: the requests it made, with their status.
const [host, writeKey, strategy = 'standard'] = process.argv.slice(2)

const nothing = () => {}
const element = () => ({ setAttribute: nothing, getAttribute: () => null, appendChild: nothing, style: {} })
const location = new URL('https://shop.example/plans?utm_source=mail')
const page = {
  location, referrer: '', title: 'Plans', cookie: '', readyState: 'complete', currentScript: null, body: element(),
  createElement: element, querySelector: () => null, querySelectorAll: () => [], getElementsByTagName: () => [],
  addEventListener: nothing, removeEventListener: nothing, visibilityState: 'visible',
}
Object.assign(globalThis, {
  window: globalThis, self: globalThis, document: page, location, addEventListener: nothing, removeEventListener: nothing,
})
Object.defineProperty(globalThis, 'navigator', { value: { userAgent: 'test', language: 'en', onLine: true }, configurable: true })

const requests = []
const send = globalThis.fetch
globalThis.fetch = async (url, options) => {
  const answer = await send(url, { ...options, headers: { ...options?.headers, Origin: location.origin } })
  requests.push([new URL(url).pathname, answer.status])
  return answer
}

const { AnalyticsBrowser } = await import('@segment/analytics-next')
const analytics = AnalyticsBrowser.load({ writeKey, cdnURL: host }, {
  disableClientPersistence: true,
  integrations: { 'Segment.io': { deliveryStrategy: { strategy, config: { size: 5, timeout: 500 } } } },
})
await analytics.identify('u1', { email: 'ada@example.com', plan: 'pro' })
await analytics.track('Order Completed', { total: 9.5 })
await analytics.page('Home')
await analytics.group('g1', { name: 'Acme' })
await analytics.alias('u2', 'u1')
await new Promise((resolve) => setTimeout(resolve, 1000))
console.log(JSON.stringify({ requests }))
process.exit(0)
