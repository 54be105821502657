// The processes, what state the run has put each into, and what they say: three at first; others join, and some leave for
// good. A process that ends, or says an error, without being asked to is a violation.

import type { ChildProcess } from 'node:child_process';
import { createWriteStream, rmSync, type WriteStream, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Cluster, type ClusterHooks, startCluster } from '../lib/cluster.ts';
import { Channel } from './channel.ts';
import { Links } from './links.ts';
import type { Violations } from './violations.ts';

const REDIRECT = new URL('redirect.js', import.meta.url).href;
/** As many as there are replicas of a range. */
export const NODES = 3;
const SNAPSHOT_INSTALLED = 'installed a snapshot';
const READY = 'Meridian is ready';
const TAIL_CHARS = 4000;
const ERROR_LINE = /^\S+Z error /;

/** How the run sees one node. */
class Member {
  readonly id: number;
  readonly log: WriteStream;
  /** The last of what it said. */
  tail = '';
  /** Of the cluster: from when it has joined until it is told to go. */
  isMember = false;
  isAlive = false;
  /** It has said that it runs, since its last start. */
  isReady = false;
  isPaused = false;
  /** Its end is the run's doing. */
  isToEnd = false;
  /** One fault at a time. */
  isBusy = false;
  snapshots = 0;
  /** Told of all that it says. */
  readonly listeners = new Set<(chunk: string) => void>();

  constructor(id: number, log: WriteStream) {
    this.id = id;
    this.log = log;
  }
}

export class Fleet {
  readonly links: Links;
  readonly #directory: string;
  readonly #cluster: Cluster;
  readonly #members: Member[];
  readonly #channels = new Map<number, Channel>();
  readonly #changed: () => void;

  private constructor(
    directory: string,
    cluster: Cluster,
    links: Links,
    members: Member[],
    changed: () => void,
  ) {
    this.#directory = directory;
    this.#cluster = cluster;
    this.links = links;
    this.#members = members;
    this.#changed = changed;
    for (const member of members) member.isMember = true;
  }

  /** `changed`: just before something is healed, and just after something was broken. */
  static async start(
    directory: string,
    violations: Violations,
    changed: () => void,
  ): Promise<Fleet> {
    let links: Links | undefined;
    const members: Member[] = [];
    const memberOf = (id: number): Member => {
      for (let next = members.length + 1; next <= id; next++) {
        const log = createWriteStream(join(directory, `node-${next}.log`), { flags: 'a' });
        members.push(new Member(next, log));
      }
      return members[id - 1] as Member;
    };
    const routesFile = (id: number): string => join(directory, `routes-${id}.json`);
    const writeRoutes = (count: number): void => {
      for (let id = 1; id <= count; id++) {
        writeFileSync(routesFile(id), JSON.stringify(links?.routesOf(id)));
      }
    };
    const hooks: ClusterHooks = {
      prepare: async (addresses) => {
        links = await Links.open(addresses);
        writeRoutes(addresses.length);
      },
      added: async (id, rpc) => {
        await links?.add(rpc);
        writeRoutes(id);
      },
      launch: (id) => ({
        arguments: ['--import', REDIRECT],
        environment: { CHAOS_ROUTES: routesFile(id) },
      }),
      spawned: (id, child) => watch(memberOf(id), child, violations, changed),
    };
    const cluster = await startCluster(directory, NODES, [], hooks);
    return new Fleet(directory, cluster, links as Links, members, changed);
  }

  /** Of those that belong to the cluster. */
  get ids(): readonly number[] {
    return this.#members.filter(({ isMember }) => isMember).map(({ id }) => id);
  }

  /** Nobody breaks it before it is released. Resolves with its id when it runs. */
  async add(): Promise<{ readonly id: number; readonly released: () => void }> {
    const id = this.#members.length + 1;
    // It says nothing before it was spawned, in the same turn in which this goes on.
    await this.#cluster.add();
    const released = this.take(id);
    await this.says(id, READY);
    this.#member(id).isMember = true;
    this.#changed();
    return { id, released };
  }

  /** It was decommissioned: it is stopped, and its data goes. */
  async dismiss(id: number): Promise<void> {
    const member = this.#member(id);
    member.isToEnd = true;
    member.isMember = false;
    this.#changed();
    await this.#node(id).stop();
    rmSync(join(this.#directory, `node-${id}`), { recursive: true, force: true });
  }

  /** That nodes said they installed. */
  get snapshots(): number {
    return this.#members.reduce((sum, { snapshots }) => sum + snapshots, 0);
  }

  /** Who listens where, as nodes name each other. */
  idAt(rpc: string): number | undefined {
    return this.#cluster.nodes.find((node) => node.rpc === rpc)?.id;
  }

  channel(id: number): Channel {
    let channel = this.#channels.get(id);
    if (channel === undefined) {
      channel = new Channel(this.#node(id).rpc);
      this.#channels.set(id, channel);
    }
    return channel;
  }

  /** Where it speaks SQL. */
  url(id: number): string {
    return `postgres://root@${this.#node(id).sql}/defaultdb`;
  }

  isFree(id: number): boolean {
    return !this.#member(id).isBusy;
  }

  /** Nobody else breaks this node until it is released. */
  take(id: number): () => void {
    const member = this.#member(id);
    member.isBusy = true;
    return () => {
      member.isBusy = false;
    };
  }

  isUp(id: number): boolean {
    const { isAlive, isPaused } = this.#member(id);
    return isAlive && !isPaused;
  }

  /** At most one node is missing of those that are ready and hear each other: every range has a majority, so that it
   * should take writes soon. */
  get hasMajorities(): boolean {
    const { ids } = this;
    const able = ids.filter((id) => this.isUp(id) && this.#member(id).isReady);
    const hearAll = (some: readonly number[]): boolean =>
      some.every((a) => some.every((b) => a === b || this.#isOpen(a, b)));
    const without = [undefined, ...able].map((id) => able.filter((one) => one !== id));
    return without.some((some) => some.length >= ids.length - 1 && hearAll(some));
  }

  /** Two nodes run and hear each other: something may be committed. */
  get hasPair(): boolean {
    const up = this.#members.filter(({ id, isAlive }) => isAlive && this.isUp(id));
    return up.some(({ id: a }) => up.some(({ id: b }) => b !== a && this.#isOpen(a, b)));
  }

  async kill(id: number): Promise<void> {
    this.#member(id).isToEnd = true;
    await this.#node(id).kill();
    this.#changed();
  }

  /** As an operator stops it: it hands its leadership over. */
  async retire(id: number): Promise<void> {
    this.#member(id).isToEnd = true;
    this.#member(id).isReady = false;
    this.#changed();
    await this.#node(id).stop();
    this.#changed();
  }

  /** Resolves when it says that it is ready. */
  async restart(id: number): Promise<void> {
    const ready = this.says(id, READY);
    this.#node(id).restart();
    this.#changed();
    await ready;
  }

  pause(id: number): void {
    this.#node(id).signal('SIGSTOP');
    this.#member(id).isPaused = true;
    this.#changed();
  }

  resume(id: number): void {
    this.#member(id).isPaused = false;
    this.#changed();
    this.#node(id).signal('SIGCONT');
  }

  /** Links were cut, or are about to be healed. */
  relinked(): void {
    this.#changed();
  }

  /** Resolves when it says the text, from now on. */
  says(id: number, text: string): Promise<void> {
    const { listeners } = this.#member(id);
    return new Promise((resolve) => {
      let said = '';
      const listen = (chunk: string): void => {
        said = (said + chunk).slice(-TAIL_CHARS);
        if (!said.includes(text)) return;
        listeners.delete(listen);
        resolve();
      };
      listeners.add(listen);
    });
  }

  async stop(): Promise<void> {
    for (const member of this.#members) {
      member.isToEnd = true;
      if (member.isPaused) this.resume(member.id);
    }
    await this.#cluster.stop();
    this.links.close();
    for (const channel of this.#channels.values()) channel.close();
  }

  #isOpen(a: number, b: number): boolean {
    return this.links.isOpen(a, b) && this.links.isOpen(b, a);
  }

  #member(id: number): Member {
    return this.#members[id - 1] as Member;
  }

  #node(id: number): Cluster['nodes'][number] {
    return this.#cluster.nodes[id - 1] as Cluster['nodes'][number];
  }
}

function watch(
  member: Member,
  child: ChildProcess,
  violations: Violations,
  changed: () => void,
): void {
  member.isAlive = true;
  member.isToEnd = false;
  let line = '';
  const take = (bytes: Buffer): void => {
    const chunk = bytes.toString();
    member.log.write(chunk);
    member.tail = (member.tail + chunk).slice(-TAIL_CHARS);
    const lines = (line + chunk).split('\n');
    line = lines.pop() as string;
    for (const one of lines) {
      if (ERROR_LINE.test(one)) violations.add(`node ${member.id} says: ${one}`);
      if (one.includes(SNAPSHOT_INSTALLED)) member.snapshots += 1;
      if (!one.includes(READY)) continue;
      member.isReady = true;
      changed();
    }
    for (const listen of [...member.listeners]) listen(chunk);
  };
  child.stdout?.on('data', take);
  child.stderr?.on('data', take);
  child.once('exit', (code, signal) => {
    member.isAlive = false;
    member.isReady = false;
    member.isPaused = false;
    changed();
    const isClean = code === 0 || signal === 'SIGKILL';
    if (member.isToEnd && isClean) return;
    violations.add(`node ${member.id} ended with ${code ?? signal}; it said:\n${member.tail}`);
  });
}
