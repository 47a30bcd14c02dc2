// Segment's library for Node.js as a test client: `node node.mjs HOST WRITE_KEY [CALLS]`.
// Prints one JSON object: how many calls were taken, how many requests were made, and the errors it was told.
import { Analytics } from '@segment/analytics-node'

const [host, writeKey, calls = 'all'] = process.argv.slice(2)
const analytics = new Analytics({ writeKey, host, maxRetries: 2, flushInterval: 200 })
let requests = 0
let taken = 0
const errors = []
analytics.on('http_request', () => { requests += 1 })
analytics.on('error', (error) => errors.push(error.code ?? String(error)))

const person = { userId: 'u1', anonymousId: 'a1' }
const every = {
  identify: () => analytics.identify({ ...person, traits: { email: 'ada@example.com', plan: 'pro', age: 36 } }, done),
  track: () => analytics.track({ ...person, event: 'Order Completed', properties: { total: 9.5 } }, done),
  page: () => analytics.page({ ...person, name: 'Home' }, done),
  screen: () => analytics.screen({ ...person, name: 'Start' }, done),
  group: () => analytics.group({ ...person, groupId: 'g1', traits: { name: 'Acme' } }, done),
  alias: () => analytics.alias({ userId: 'u1', previousId: 'a1' }, done),
}
function done(error) {
  if (!error) taken += 1
}

for (const [name, call] of Object.entries(every)) {
  if (calls === 'all' || calls === name) call()
}
await analytics.closeAndFlush({ timeout: 20000 })
console.log(JSON.stringify({ requests, taken, errors: [...new Set(errors)] }))
