// The PostgreSQL protocol, version 3, as far as a server between clients and an engine needs it.

export const QUERY = 'Q'
export const TERMINATE = 'X'
export const COPY_DATA = 'd'
export const COPY_DONE = 'c'
export const COPY_FAIL = 'f'
export const NOTIFICATION = 'A'
export const COPY_IN_RESPONSE = 'G'
const READY = 'Z'
const ANSWERED = new Set([QUERY, 'S', 'H', 'F']) // query, sync, flush, function call

const SSL_REQUEST = 80877103
const GSS_REQUEST = 80877104
const CANCEL_REQUEST = 80877102

export const text = (string) => Buffer.from(`${string}\0`)

export function int32(...numbers) {
  const buffer = Buffer.alloc(4 * numbers.length)
  numbers.forEach((number, i) => buffer.writeInt32BE(number, 4 * i))
  return buffer
}

export function message(type, ...parts) {
  const body = Buffer.concat(parts)
  const head = Buffer.alloc(5)
  head.write(type, 'latin1')
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

/** Splits a buffer into whole messages, each with its one-byte type, and what is left over. */
export function frames(buffer) {
  const whole = []
  let at = 0
  while (buffer.length - at >= 5) {
    const end = at + 1 + buffer.readInt32BE(at + 1)
    if (end > buffer.length) break
    whole.push({ type: String.fromCharCode(buffer[at]), bytes: buffer.subarray(at, end) })
    at = end
  }
  return { whole, rest: buffer.subarray(at) }
}

/** Whether a server answers this message at once, and with it all that came before. */
export const isAnswered = ({ type }) => ANSWERED.has(type)

export const isCopy = ({ type }) => [COPY_DATA, COPY_DONE, COPY_FAIL].includes(type)

export const sql = ({ type, bytes }) => (type === QUERY ? bytes.toString('utf8', 5) : '')

/** Whether the session is outside of a transaction after this answer; undefined: not said. */
export function isIdle(answer) {
  const last = answer.findLast(({ type }) => type === READY)
  return last && last.bytes[5] === 'I'.charCodeAt(0)
}

/** The same message with `prefix` before the name of the prepared statement that it is about. */
export function renamed({ type, bytes }, prefix) {
  const at = nameAt(type, bytes)
  if (at === null || bytes[at] === 0) return bytes // the unnamed statement
  return message(type, bytes.subarray(5, at), Buffer.from(prefix), bytes.subarray(at))
}

function nameAt(type, bytes) {
  if (type === 'P') return 5 // parse: name, query
  if (type === 'B') return bytes.indexOf(0, 5) + 1 // bind: portal, name
  if ((type === 'D' || type === 'C') && bytes[5] === 'S'.charCodeAt(0)) return 6
  return null
}

/**
 * Reads the start of a connection, a packet without a type: its length, a code, what that says.
 * Gives the settings that the client asks for and the bytes after them, or null without a session.
 */
export async function start(socket, chunks) {
  let buffer = Buffer.alloc(0)
  for (;;) {
    while (buffer.length < 8 || buffer.length < buffer.readInt32BE(0)) {
      const { value, done } = await chunks.next()
      if (done) return null
      buffer = Buffer.concat([buffer, value])
    }
    const length = buffer.readInt32BE(0)
    const code = buffer.readInt32BE(4)
    const body = buffer.subarray(8, length)
    buffer = buffer.subarray(length)
    if (code === CANCEL_REQUEST) return null // a statement here is over before anyone can cancel it
    if (code !== SSL_REQUEST && code !== GSS_REQUEST) return { settings: settings(body), buffer }
    socket.write('N')
  }
}

function settings(body) {
  const words = body.toString().split('\0')
  const pairs = []
  for (let i = 0; words[i]; i += 2) pairs.push([words[i], words[i + 1]])
  return pairs.filter(([name]) => !['user', 'database', 'options', 'replication'].includes(name))
}
