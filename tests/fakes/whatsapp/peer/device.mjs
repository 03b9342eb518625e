// One device that is an independent client. It is told what to do on stdin and tells what it sees on stdout, a JSON
// object a line either way, so that it can be killed and started again as one kills a program.
import { Agent } from 'node:https'
import { createRequire } from 'node:module'
import { connect as dial } from 'node:net'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import makeWASocket, {
  Curve, DisconnectReason, WA_CERT_DETAILS, downloadContentFromMessage, generateSignalPubKey, proto, useMultiFileAuthState,
} from 'baileys'

const { values: given } = parseArgs({
  options: {
    // Where its credentials and keys are.
    store: { type: 'string' },
    // Where the server is, and where the media are.
    url: { type: 'string' },
    media: { type: 'string' },
    // The root of the server's certificates, in hex; WhatsApp's own, if left out.
    root: { type: 'string' },
    // The number to link by a code; without it, it links by QR.
    code: { type: 'string' },
    // Every stanza, on stderr.
    trace: { type: 'boolean', default: false },
  },
})

/** Between a connection that ended and the next, in milliseconds. */
const PAUSE = 300

// What is replaced in the client, and nothing else. Whose signature makes a server WhatsApp's:
if (given.root) WA_CERT_DETAILS.PUBLIC_KEY = Buffer.from(given.root, 'hex')
// And that a signature which does not fit is taken for one that does: this version asks its Signal library, which says
// so with what it returns, and looks only for an exception. Here the certificates, the phone's signature under the
// device and the signed keys of people are held to what they are signed with.
const curve = createRequire(import.meta.resolve('baileys'))('libsignal/src/curve.js')
const { verifySignature } = curve
const fits = (key, message, signature) => verifySignature(generateSignalPubKey(key), message, signature)
Curve.verify = (...signed) => fits(...signed)
curve.verifySignature = (...signed) => {
  if (!fits(...signed)) throw new Error('a signature that does not fit')
}

const tell = (event, what = {}) => process.stdout.write(`${JSON.stringify({ event, ...what })}\n`)

/** What the client complains of is told, since its complaints are what judges the server. */
const logger = {
  level: given.trace ? 'trace' : 'silent',
  child: () => logger,
  trace: (what) => given.trace && what.xml && process.stderr.write(`${what.msg}: ${what.xml}\n`),
  debug() {},
  info() {},
  warn: (what, words) => tell('complaint', { what: describe(what, words) }),
  error: (what, words) => tell('complaint', { what: describe(what, words) }),
}

function describe(what, words = '') {
  if (typeof what === 'string') return what
  const cause = what.err ?? what.error ?? what.e ?? what
  return `${words} ${cause.stack ?? cause.trace ?? JSON.stringify(cause)}`.trim()
}

// The client's Signal library talks to the console, which is not the stdout of a program here.
console.log = console.info = () => {}
console.warn = console.error = (...words) => logger.warn(words.map(String).join(' '))

/** Whose devices are which, where the client's configuration lets one keep them. */
const known = new Map()
const userDevicesCache = {
  get: (user) => known.get(user),
  set: (user, devices) => known.set(user, devices),
  del: (user) => known.delete(user),
  flushAll: () => known.clear(),
}

/**
 * This version of the client does not know its own device again where it goes by its LID: in a group it would encrypt
 * to itself. So it is told beforehand that the other device of its owner is the phone.
 */
function knowOwnPhone(lid) {
  const [user] = lid.split(/[:@]/)
  known.set(user, [{ user, device: 0, server: 'lid' }])
}

/** Uploads go to `https://…`; the fake is here, and speaks plain HTTP. */
const fetchAgent = new Agent()
fetchAgent.createConnection = () => dial(new URL(given.media).port, new URL(given.media).hostname)

const { state, saveCreds } = await useMultiFileAuthState(given.store)
let socket

function connect() {
  socket = makeWASocket({ auth: state, logger, waWebSocketUrl: given.url, userDevicesCache, fetchAgent })
  let asked = false
  const { ev } = socket
  ev.on('creds.update', saveCreds)
  ev.on('connection.update', async ({ connection, lastDisconnect, qr, isNewLogin }) => {
    if (qr && !given.code) tell('qr', { qr })
    if (qr && given.code && !asked) {
      asked = true
      tell('code', { code: await socket.requestPairingCode(given.code) })
    }
    if (isNewLogin) tell('linked')
    if (connection === 'open') {
      knowOwnPhone(socket.user.lid)
      tell('open', { jid: socket.user.id, lid: socket.user.lid })
    }
    if (connection === 'close') ended(lastDisconnect?.error)
  })
  ev.on('messages.upsert', ({ messages }) => messages.forEach(got))
  ev.on('messages.update', (updates) =>
    updates.forEach(({ key, update }) => tell('update', { id: key.id, status: update.status })))
  ev.on('messages.reaction', (reactions) =>
    reactions.forEach(({ key, reaction }) => tell('reaction', { of: key.id, emoji: reaction.text })))
  ev.on('presence.update', ({ presences }) =>
    tell('presence', { state: Object.values(presences)[0]?.lastKnownPresence }))
  ev.on('messaging-history.set', ({ progress }) => tell('history', { progress }))
}

async function got({ key, message, pushName, messageStubType, messageStubParameters }) {
  if (messageStubType === proto.WebMessageInfo.StubType.CIPHERTEXT) {
    return tell('unreadable', { id: key.id, what: `${key.id} can't be read: ${messageStubParameters}` })
  }
  if (key.fromMe || !message) return
  const image = message.imageMessage
  tell('message', {
    id: key.id, key, chat: key.remoteJid, alias: key.remoteJidAlt ?? key.participantAlt, name: pushName,
    text: message.conversation ?? message.extendedTextMessage?.text ?? image?.caption,
    content: image && (await download(image)),
  })
}

/** By its address here, not by the one that it is told. */
async function download({ mediaKey, directPath }) {
  const chunks = await downloadContentFromMessage({ mediaKey, url: given.media + directPath }, 'image')
  let content = ''
  for await (const chunk of chunks) content += chunk
  return content
}

/** What a program that is linked does: it comes back, unless it was logged out. */
function ended(error) {
  const status = error?.output?.statusCode
  tell('close', { status, why: error?.message, reason: error?.data?.attrs ?? error?.data })
  if (status === DisconnectReason.loggedOut) return process.exit(0)
  setTimeout(connect, status === DisconnectReason.restartRequired ? 0 : PAUSE)
}

const sent = async (to, content, options) => ({ id: (await socket.sendMessage(to, content, options)).key.id })
const commands = {
  send: ({ to, content, quoted }) => sent(to, content, { quoted }),
  picture: ({ to, content, caption }) =>
    // With a thumbnail, since making one takes another package.
    sent(to, { image: Buffer.from(content), caption, mimetype: 'image/png', jpegThumbnail: 'AA==' }),
  read: ({ keys }) => socket.readMessages(keys),
  typing: ({ to }) => socket.sendPresenceUpdate('composing', to),
  lookup: async ({ number }) => ({ found: await socket.onWhatsApp(number) }),
  group: async ({ jid }) => ({ group: await socket.groupMetadata(jid) }),
  rotate: () => socket.rotateSignedPreKey(),
  logout: () => socket.logout(),
}

const orders = createInterface({ input: process.stdin })
orders.on('line', async (line) => {
  const { command, number, rest } = JSON.parse(line)
  try {
    tell('done', { number, ...(await commands[command](rest)) })
  } catch (error) {
    tell('done', { number, error: error.stack })
  }
})
// Whoever gives the orders is gone.
orders.on('close', () => process.exit(0))

connect()
