// Segment's own evaluator of FQL, from its browser library: `node fql.mjs < questions`, a list of { ir, event }.
// Prints a list of answers: true, false, or null where it throws.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

globalThis.self = globalThis // it is made for browsers
const library = createRequire(import.meta.url)('./node_modules/@segment/analytics-next/dist/cjs/vendor/tsub/tsub.js')
const answers = JSON.parse(readFileSync(0, 'utf8')).map(({ ir, event }) => {
  try {
    return library.matches(event, { type: 'fql', ir: JSON.stringify(ir) })
  } catch {
    return null
  }
})
process.stdout.write(JSON.stringify(answers))
