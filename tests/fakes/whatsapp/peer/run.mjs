// An independent client against the fake, from the first scan to the unlinking. One line a step; ends with 1 at the
// first that fails.
import assert from 'node:assert/strict'
import { parseArgs } from 'node:util'
import { Device, World } from './world.mjs'

const { values: given, positionals } = parseArgs({ allowPositionals: true, options: { trace: { type: 'boolean' } } })
const [program] = positionals
if (!program) {
  console.error('usage: node run.mjs [--trace] PATH/TO/fake-whatsapp')
  process.exit(2)
}

const OWNER = '15550001111'
const OTHER = '15550003333'
const ALICE = '15550002222'
const BOB = '15550004444'
/** Of a message: how far it has come, as the client counts. */
const DELIVERED = 3
const READ = 4
/**
 * What the client says as loud as a complaint, and is as it should be: it is told to restart, it is removed, and it has no
 * name before its phone has told it.
 */
const NEWS = [/^stream errored out .*"code":"515"/, /^stream errored out .*"device_removed"/, /^no name present/]

const world = await World.start(program).catch((error) => {
  console.error(`the fake doesn't start: ${error.message}`)
  process.exit(1)
})
const qr = new Device(world, 'by-qr', given)
const code = new Device(world, 'by-code', { ...given, code: OTHER })
const stranger = new Device(world, 'stranger', { ...given, root: null })
const devices = [qr, code, stranger]

let steps = 0
let heard = 0

/**
 * A step holds if neither side complains of anything but what is expected, and of all of that: `client` are patterns,
 * `fake` are texts.
 */
async function step(name, work, { client = [], fake = [] } = {}) {
  const number = String(++steps).padStart(2)
  const since = Date.now()
  try {
    await work()
    const complaints = devices.flatMap((device) => device.complaints.splice(0))
    const left = complaints.filter((what) => ![...NEWS, ...client].some((pattern) => pattern.test(what)))
    assert.deepEqual(left, [], 'the client complains')
    client.forEach((pattern) => assert.ok(complaints.some((what) => pattern.test(what)), `no ${pattern}`))
    const { entries } = await world.get('ledger?event=violation')
    assert.deepEqual(entries.slice(heard).map(({ what }) => what), fake, 'the fake complains')
    heard = entries.length
  } catch (error) {
    console.log(`FAILED ${number} ${name}`)
    throw error
  }
  console.log(`ok ${number} ${name} (${((Date.now() - since) / 1000).toFixed(1)} s)`)
}

/** Somebody writes, and the client can read it. */
async function reads(device, account, from, text, manner = {}) {
  const { id } = await world.post('write', { account, from, text, ...manner })
  const message = await device.text(text)
  assert.equal(message.id, id)
  return message
}

/** The client writes, and those who it is for open it with their own keys. */
async function writes(device, account, to, content, readers, { command = 'send', ...rest } = {}) {
  const { id } = await device.ask(command, { to, content, ...rest })
  const sent = await world.entry({ event: 'sent', account, id })
  assert.deepEqual(sent.recipients, readers)
  assert.ok(sent.phone_copy, 'the own phone got its copy')
  return sent
}

async function talk(device, account, from, rounds) {
  for (let round = 1; round <= rounds; round++) {
    for (const name of ['lid', 'pn']) {
      const text = `${from} says ${round}, as ${name}`
      const { chat, alias } = await reads(device, account, from, text, { as: name })
      const servers = [chat, alias].map((jid) => jid.split('@')[1])
      assert.deepEqual(servers, name === 'lid' ? ['lid', 's.whatsapp.net'] : ['s.whatsapp.net', 'lid'])
      const sent = await writes(device, account, chat, { text: `you said: ${text}` }, [from])
      assert.equal(sent.text, `you said: ${text}`)
      await device.event('update', ({ id, status }) => id === sent.id && status === DELIVERED)
    }
  }
}

async function linked(device, account) {
  await device.event('linked')
  const { jid, lid } = await device.event('open')
  assert.deepEqual([jid, lid], [`${account}:1@s.whatsapp.net`, `9${account}:1@lid`])
  await device.event('history', ({ progress }) => progress === 100)
  await world.entry({ event: 'prekeys', account, ready: true })
}

async function main() {
  for (const number of [OWNER, OTHER]) await world.post('accounts', { number, name: 'The owner' })
  await world.post('contacts', { number: ALICE, name: 'Alice' })
  await world.post('contacts', { number: BOB, name: 'Bob' })
  const members = [ALICE, OWNER, BOB]
  const groups = {
    lid: await world.post('groups', { subject: 'Us', members }),
    pn: await world.post('groups', { subject: 'Us of old', members, addressing: 'pn' }),
  }

  await step('refuses the fake as long as it is not given its root', async () => {
    stranger.start()
    const { why } = await stranger.event('close')
    assert.equal(why, 'noise intermediate certificate signature invalid')
    await stranger.kill()
  }, { client: [/^error in validating connection/] })

  await step('links by QR: scanned, restarted, logged in', async () => {
    qr.start()
    const shown = await qr.event('qr')
    await world.post('scan', { account: OWNER, qr: shown.qr })
    await linked(qr, OWNER)
  })

  await step('talks with a contact, by LID and by number, both ways', () => talk(qr, OWNER, ALICE, 3))

  await step('writes first to somebody by number, and is answered', async () => {
    const { found } = await qr.ask('lookup', { number: BOB })
    assert.deepEqual(found, [{ jid: `${BOB}@s.whatsapp.net`, exists: true }])
    assert.deepEqual((await qr.ask('lookup', { number: '15559999999' })).found, [])
    await writes(qr, OWNER, `${BOB}@s.whatsapp.net`, { text: 'hello Bob' }, [BOB])
    await talk(qr, OWNER, BOB, 1)
  })

  await step('replies, reacts, edits, deletes, reads, types', async () => {
    const message = await reads(qr, OWNER, ALICE, 'a message to be about')
    const to = message.chat
    const quoted = { key: message.key, message: { conversation: message.text } }
    const reply = await writes(qr, OWNER, to, { text: 'a reply' }, [ALICE], { quoted })
    assert.equal(reply.content.quoted, message.id)
    const reaction = await writes(qr, OWNER, to, { react: { text: '👍', key: message.key } }, [ALICE])
    assert.deepEqual([reaction.kind, reaction.content.of], ['reaction', message.id])
    const own = { remoteJid: to, fromMe: true, id: reply.id }
    const edit = await writes(qr, OWNER, to, { text: 'a better reply', edit: own }, [ALICE])
    assert.deepEqual([edit.kind, edit.content.of, edit.text], ['edit', reply.id, 'a better reply'])
    const deletion = await writes(qr, OWNER, to, { delete: own }, [ALICE])
    assert.deepEqual([deletion.kind, deletion.content.of], ['delete', reply.id])
    await qr.ask('read', { keys: [message.key] })
    await world.entry({ event: 'receipt', id: message.id, at_least: 2 })
    const { entries } = await world.get(`ledger?event=receipt&id=${message.id}`)
    assert.equal(entries[1].kind, 'read')
    await qr.ask('typing', { to })
    await world.entry({ event: 'typing', account: OWNER })
  })

  await step('is told of reactions, reads and typing', async () => {
    const sent = await writes(qr, OWNER, `${ALICE}@s.whatsapp.net`, { text: 'read me' }, [ALICE])
    await world.post('receipt', { account: OWNER, from: ALICE, ids: [sent.id], kind: 'read' })
    await qr.event('update', ({ id, status }) => id === sent.id && status === READ)
    await world.post('write', { account: OWNER, from: ALICE, reaction: { of: sent.id, emoji: '🎉', from_me: true } })
    await qr.event('reaction', ({ of, emoji }) => of === sent.id && emoji === '🎉')
    await world.post('typing', { account: OWNER, from: ALICE, on: true })
    await qr.event('presence', ({ state }) => state === 'composing')
  })

  await step('pictures, both ways', async () => {
    const media = { kind: 'image', media_type: 'image/png', content: 'not really a picture' }
    const { chat, content } = await reads(qr, OWNER, ALICE, 'look', { media })
    assert.equal(content, 'not really a picture')
    const own = 'neither is this '.repeat(1000)
    const sent = await writes(qr, OWNER, chat, own, [ALICE], { command: 'picture', caption: 'see' })
    assert.deepEqual([sent.kind, sent.text, sent.content.bytes], ['image', 'see', own.length])
    await world.entry({ event: 'uploaded' })
  })

  await step('talks in groups, by LID and by number, and everybody reads it', async () => {
    for (const { id, jid } of Object.values(groups)) {
      const { group } = await qr.ask('group', { jid })
      assert.equal(group.participants.length, members.length)
      for (const from of [ALICE, BOB, ALICE]) {
        const text = `${from} says something in ${group.subject} ${Math.random()}`
        const { chat } = await reads(qr, OWNER, from, text, { group: id })
        assert.equal(chat, jid)
        const { id: sent } = await qr.ask('send', { to: jid, content: { text: `re: ${text}` } })
        const entry = await world.entry({ event: 'sent', account: OWNER, id: sent })
        assert.deepEqual([entry.text, entry.recipients], [`re: ${text}`, [ALICE, BOB]])
      }
    }
  })

  await step('is killed, restarted from its store, gets what waited, goes on', async () => {
    await world.entry({ account: OWNER, waiting: 0 })
    await qr.kill()
    await world.entry({ account: OWNER, ready: false })
    const texts = Array.from({ length: 12 }, (_, place) => `while away ${place}`)
    for (const text of texts) await world.post('write', { account: OWNER, from: ALICE, text })
    await world.post('write', { account: OWNER, from: BOB, group: groups.lid.id, text: 'the group, while away' })
    qr.start()
    await qr.event('open')
    for (const text of [...texts, 'the group, while away']) await qr.text(text)
    await world.entry({ account: OWNER, waiting: 0, ready: true })
    await talk(qr, OWNER, ALICE, 1)
  })

  await step('has lost its sessions with a contact: asks again for what it can not read, and gets it', async () => {
    await qr.kill()
    await world.entry({ account: OWNER, ready: false })
    assert.notEqual(qr.forgetSessions(ALICE), 0)
    const { id } = await world.post('write', { account: OWNER, from: ALICE, text: 'can you read me?' })
    qr.start()
    await qr.event('unreadable', (message) => message.id === id)
    await world.entry({ event: 'retry', account: OWNER, id })
    await qr.text('can you read me?')
    await talk(qr, OWNER, ALICE, 1)
  }, { client: [/can't be read/, /No session record/] })

  await step('is cut off, comes back, goes on', async () => {
    await world.post('drop', { account: OWNER })
    await qr.event('close')
    await qr.event('open')
    await world.entry({ account: OWNER, ready: true })
    await talk(qr, OWNER, ALICE, 1)
  })

  await step('rotates its signed key, and is written to by somebody new', async () => {
    await qr.ask('rotate')
    await world.post('contacts', { number: '15550005555', name: 'Carol' })
    await talk(qr, OWNER, '15550005555', 1)
  })

  await step('is unlinked on the phone: logged out, and not let in again', async () => {
    await world.post('unlink', { account: OWNER })
    const { status, reason } = await qr.event('close')
    assert.deepEqual([status, reason], [401, { type: 'device_removed' }])
    await qr.gone
    qr.start()
    assert.equal((await qr.event('close')).status, 401)
    await qr.gone
  })

  await step('links by code, after a wrong one', async () => {
    code.start()
    const shown = await code.event('code')
    await world.entry({ event: 'code', account: OTHER })
    const wrong = shown.code === 'ABCDEFGH' ? 'HGFEDCBA' : 'ABCDEFGH'
    await world.post('enter-code', { account: OTHER, code: wrong })
    await world.entry({ event: 'code_refused', account: OTHER })
    await world.post('enter-code', { account: OTHER, code: shown.code })
    await linked(code, OTHER)
    // It has a name for itself while it links by a code, and tells when that changes, which is too early.
  }, { fake: ['<presence>: <presence> from a device that is not logged in'] })

  await step('talks, linked by code', () => talk(code, OTHER, ALICE, 1))

  await step('logs out by itself', async () => {
    await code.ask('logout')
    await world.entry({ event: 'logged_out', account: OTHER })
    await code.gone
  })
}

try {
  await main()
  console.log(`all ${steps} steps hold`)
} catch (error) {
  console.log(error.stack)
  console.log('last in the ledger:')
  const { entries } = await world.get('ledger')
  entries.slice(-12).forEach((entry) => console.log(JSON.stringify(entry)))
  process.exitCode = 1
} finally {
  await Promise.all(devices.map((device) => device.kill()))
  await world.stop()
}
