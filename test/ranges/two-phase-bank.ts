// A bank over several ranges: transfers between accounts of different ranges, under faults. Money is neither made nor
// lost, a reader never sees half of a transfer, and what a client was told is so.

import { utf8 } from '../../src/base/bytes.ts';
import type { Timestamp } from '../../src/clock/timestamp.ts';
import { LOCK_EXCLUSIVE, LOCK_SHARED, type Transaction } from '../../src/txn/api.ts';
import type { Coordinator } from '../../src/txn/transactions.ts';
import { type Fate, NODES, TwoPhaseRig } from './two-phase-rig.ts';

const ACCOUNTS = ['a1', 'a2', 'b1', 'c1'] as const;
const START = 100;

export interface BankOptions {
  readonly seed: number;
  readonly bugs?: readonly string[];
  readonly seconds: number;
}

export interface BankReport {
  readonly committed: number;
  readonly aborted: number;
  readonly unknown: number;
  readonly reads: number;
  readonly leaderChanges: number;
  readonly crashes: number;
}

type Told = 'committed' | 'aborted' | 'unknown';

interface Transfer {
  readonly from: string;
  readonly to: string;
  told: Told;
}

/** Throws with what is wrong. */
export async function runBank({ seed, bugs, seconds }: BankOptions): Promise<BankReport> {
  const rig = await TwoPhaseRig.serving({ seed, ...(bugs === undefined ? {} : { bugs }) });
  const bank = new Bank(rig);
  await rig.until(bank.open());
  bank.begin(seconds * 1_000_000);
  await rig.pass(seconds * 1_000_000);
  await rig.until(bank.end());
  // Whatever nobody came back for is found out and carried out.
  rig.fate = () => 'arrives';
  for (let node = 1; node <= NODES; node++) {
    if (!rig.nodes.has(node)) await rig.until(rig.start(node));
  }
  await rig.pass(15_000_000);
  await rig.until(bank.check());
  return bank.report;
}

class Bank {
  private readonly rig: TwoPhaseRig;
  private readonly random;
  private readonly transfers = new Map<string, Transfer>();
  private readonly working: Promise<void>[] = [];
  private isOver = false;
  private counts = { committed: 0, aborted: 0, unknown: 0, reads: 0, leaderChanges: 0, crashes: 0 };

  constructor(rig: TwoPhaseRig) {
    this.rig = rig;
    this.random = rig.world.random.fork('bank');
  }

  get report(): BankReport {
    return this.counts;
  }

  async open(): Promise<void> {
    const transaction = this.rig.coordinator().begin();
    for (const account of ACCOUNTS) transaction.put(utf8(account), utf8(String(START)));
    await transaction.commit();
  }

  begin(micros: number): void {
    const { rig, random } = this;
    rig.fate = () => this.fate();
    for (let client = 0; client < 6; client++) this.working.push(this.transferring(client));
    this.working.push(this.reading());
    const faults = 3 + random.below(14);
    for (let i = 0; i < faults; i++) {
      void rig.world.after(random.below(micros), undefined, () => this.breakSomething());
    }
  }

  async end(): Promise<void> {
    this.isOver = true;
    await Promise.all(this.working);
  }

  async check(): Promise<void> {
    const { rig } = this;
    if (rig.preparedCount > 0) throw new Error(`${rig.preparedCount} are prepared for ever`);
    const values = await this.balances(this.someCoordinator()?.snapshot().timestamp);
    demandSum(values, 'in the end');
    for (const [id, { from, to, told }] of this.transfers) {
      const marks = await this.read([markOf(from, id), markOf(to, id)]);
      const [there, here] = marks.map((mark) => mark !== undefined);
      if (there !== here) throw new Error(`transfer ${id} is half there`);
      if (told === 'committed' && there !== true) throw new Error(`transfer ${id} was lost`);
      if (told === 'aborted' && there === true) {
        throw new Error(`transfer ${id} is there though it was aborted`);
      }
    }
  }

  private fate(): Fate {
    const { random } = this;
    if (!random.oneIn(10)) return 'arrives';
    return (['lostBefore', 'lostAfter', 'repeated'] as const)[random.below(3)] as Fate;
  }

  private breakSomething(): void {
    const { rig, random } = this;
    if (random.oneIn(3) && rig.nodes.size === NODES) {
      const node = 1 + random.below(NODES);
      this.counts.crashes++;
      rig.crash(node);
      void rig.world.after(200_000 + random.below(2_000_000), undefined, () => {
        void rig.start(node).then(() => this.lead(node));
      });
      return;
    }
    const range = rig.ranges[random.below(rig.ranges.length)];
    const to = 1 + random.below(NODES);
    if (range === undefined || !rig.nodes.has(to)) return;
    this.counts.leaderChanges++;
    void range.changeLeader(to, random.oneIn(2)).catch((error: unknown) => rig.world.fail(error));
  }

  /** Who was just away leads. */
  private lead(node: number): void {
    const { rig, random } = this;
    for (const range of rig.ranges) {
      if (random.oneIn(2)) void range.changeLeader(node, random.oneIn(2));
    }
  }

  private someCoordinator(): Coordinator | undefined {
    const all = [...this.rig.coordinators.values()];
    return all[this.random.below(all.length)];
  }

  private async transferring(client: number): Promise<void> {
    for (let i = 0; !this.isOver; i++) {
      await this.rig.world.sleep(1_000 + this.random.below(20_000));
      const node = 1 + this.random.below(NODES);
      const coordinator = this.rig.coordinators.get(node);
      if (coordinator === undefined) continue;
      const died = this.whenDead(node);
      await Promise.race([this.transfer(coordinator, `${client}-${i}`), died]);
    }
  }

  /** A client waits for a node no longer than that lives. */
  private async whenDead(node: number): Promise<void> {
    const { life } = this.rig.nodes.get(node) as { life: { alive: boolean } };
    while (life.alive && !this.isOver) await this.rig.world.sleep(100_000);
    if (life.alive) await this.rig.world.sleep(15_000_000);
  }

  private async transfer(coordinator: Coordinator, name: string): Promise<void> {
    const { random } = this;
    const from = ACCOUNTS[random.below(ACCOUNTS.length)] as string;
    const to = ACCOUNTS[random.below(ACCOUNTS.length)] as string;
    if (from === to) return;
    let last: Transaction | undefined;
    for (let attempt = 0; attempt < 5; attempt++) {
      const transaction = coordinator.begin(last);
      last = transaction;
      const id = `${name}-${attempt}`;
      const transfer: Transfer = { from, to, told: 'unknown' };
      try {
        const isBlind = random.oneIn(8);
        const keys = [utf8(from), utf8(to)];
        const amounts = await transaction.getManyLocked(
          keys,
          random.oneIn(3) ? LOCK_SHARED : LOCK_EXCLUSIVE,
        );
        const [a, b] = amounts.map((value) => Number(Buffer.from(value as Uint8Array).toString()));
        if (random.oneIn(3)) {
          const other = ACCOUNTS[random.below(ACCOUNTS.length)] as string;
          await transaction.getManyLocked([utf8(other)], LOCK_SHARED);
        }
        if (!isBlind) {
          const amount = 1 + random.below(10);
          transaction.put(utf8(from), utf8(String((a as number) - amount)));
          transaction.put(utf8(to), utf8(String((b as number) + amount)));
        }
        transaction.put(utf8(markOf(from, id)), utf8('1'));
        transaction.put(utf8(markOf(to, id)), utf8('1'));
        this.transfers.set(id, transfer);
        await transaction.commit();
        transfer.told = 'committed';
        this.counts.committed++;
        return;
      } catch (error) {
        transaction.rollback();
        const { code } = error as { code?: string };
        if (code === undefined) throw error;
        transfer.told = code === '40003' ? 'unknown' : 'aborted';
        if (code === '40003') {
          this.counts.unknown++;
          return;
        }
        this.counts.aborted++;
        await this.rig.world.sleep(random.below(5_000));
      }
    }
  }

  private async reading(): Promise<void> {
    while (!this.isOver) {
      await this.rig.world.sleep(this.random.below(30_000));
      const t = this.someCoordinator()?.snapshot().timestamp;
      demandSum(await this.balances(t), `at ${t}`);
      this.counts.reads++;
    }
  }

  private async balances(t: Timestamp | undefined): Promise<readonly number[]> {
    const values = await this.read(ACCOUNTS, t);
    return values.map((value) => Number(Buffer.from(value as Uint8Array).toString()));
  }

  private async read(
    keys: readonly string[],
    t = this.someCoordinator()?.snapshot().timestamp,
  ): Promise<readonly (Uint8Array | undefined)[]> {
    return this.rig.newRanges().getAt(keys.map(utf8), t as Timestamp);
  }
}

function markOf(account: string, id: string): string {
  return `${account.slice(0, 1)}/${id}/${account}`;
}

function demandSum(values: readonly number[], when: string): void {
  const sum = values.reduce((a, b) => a + b, 0);
  if (sum !== START * ACCOUNTS.length)
    throw new Error(`the sum is ${sum} ${when}: ${values.join()}`);
}
