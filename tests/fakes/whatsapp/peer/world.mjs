// The fake as a process and devices as processes: what a step asks of them, and what they tell.
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** How long anything may take, in milliseconds: far more than a machine under load needs. */
const PATIENCE = 60_000

const DEVICE = fileURLToPath(new URL('device.mjs', import.meta.url))

const end = (process) => new Promise((resolve) => process.once('exit', resolve))

/** The fake, driven over its control as a person drives it. */
export class World {
  static async start(program) {
    const world = new World()
    world.folder = mkdtempSync(join(tmpdir(), 'whatsapp-peer-'))
    world.fake = spawn(program, ['--listen', '127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'inherit'] })
    world.gone = end(world.fake)
    const line = await new Promise((resolve, reject) => {
      world.fake.once('error', reject)
      world.fake.once('exit', (code) => reject(new Error(`the fake ended with ${code}`)))
      createInterface({ input: world.fake.stdout }).once('line', resolve)
    })
    const [, url, control] = /^listening on (\S+) control (\S+)$/.exec(line)
    Object.assign(world, { url, control })
    world.root = (await world.get('server')).root
    return world
  }

  async get(query) {
    return (await fetch(`${this.control}/_control/${query}`)).json()
  }

  async post(command, body) {
    const headers = { 'content-type': 'application/json' }
    const request = { method: 'POST', headers, body: JSON.stringify(body) }
    const answer = await fetch(`${this.control}/_control/${command}`, request)
    const told = await answer.json()
    if (!answer.ok) throw new Error(`${command}: ${told.error}`)
    return told
  }

  /** Waits for what the query says; gives the first entry, if it names an event. */
  async entry(query) {
    const told = await this.get(`wait?timeout_ms=${PATIENCE}&${new URLSearchParams(query)}`)
    if (!told.reached) throw new Error(`${JSON.stringify(query)} did not come to be`)
    return told.entries[0]
  }

  async stop() {
    this.fake.kill('SIGKILL')
    await this.gone
    rmSync(this.folder, { recursive: true })
  }
}

/** A device with a store of its own, which outlives its process. */
export class Device {
  constructor(world, name, { code, trace, root = world.root }) {
    this.store = join(world.folder, name)
    this.arguments = [DEVICE, '--store', this.store, '--url', world.url, '--media', world.control]
    if (root) this.arguments.push('--root', root)
    if (code) this.arguments.push('--code', code)
    if (trace) this.arguments.push('--trace')
    this.complaints = []
    this.asked = 0
  }

  start() {
    this.told = []
    this.process = spawn(process.execPath, this.arguments, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.gone = end(this.process)
    createInterface({ input: this.process.stdout }).on('line', (line) => {
      const told = JSON.parse(line)
      if (told.event === 'complaint' || told.event === 'unreadable') this.complaints.push(told.what)
      this.told.push(told)
      this.heard?.()
    })
  }

  async kill() {
    this.process?.kill('SIGKILL')
    await this.gone
  }

  /** Loses its sessions with somebody. */
  forgetSessions(number) {
    const sessions = readdirSync(this.store).filter((name) => name.startsWith('session-') && name.includes(number))
    sessions.forEach((name) => rmSync(join(this.store, name)))
    return sessions.length
  }

  /** Waits for something that is told, or was since the process started; gives each only once. */
  async event(event, fits = () => true) {
    const late = Date.now() + PATIENCE
    for (;;) {
      const at = this.told.findIndex((told) => told.event === event && fits(told))
      if (at >= 0) return this.told.splice(at, 1)[0]
      const left = late - Date.now()
      if (left <= 0) throw new Error(`waited in vain for ${event}; told lately: ${JSON.stringify(this.told.slice(-8))}`)
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, left)
        this.heard = () => (clearTimeout(timer), resolve())
      })
    }
  }

  text(text) {
    return this.event('message', (message) => message.text === text)
  }

  /** Has it do something; gives what came of that. */
  async ask(command, rest = {}) {
    const number = ++this.asked
    this.process.stdin.write(`${JSON.stringify({ command, number, rest })}\n`)
    const done = await this.event('done', (told) => told.number === number)
    if (done.error) throw new Error(`${command}: ${done.error}`)
    return done
  }
}
