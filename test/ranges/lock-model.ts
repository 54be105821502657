// The lock table's rules, as slowly and plainly as they can be said: a list of what is granted and a list of what
// waits, searched from end to end for everything. Keys are the numbers 0 to 9; everything is a span [from, to).
import type { Timestamp } from '../../src/clock/timestamp.ts';

export interface ModelOwner {
  readonly id: string;
  readonly age: Timestamp;
  state: 'active' | 'committing' | 'wounded' | 'ended';
}

export interface ModelRequest {
  readonly owner: ModelOwner;
  readonly from: number;
  readonly to: number;
  readonly exclusive: boolean;
  readonly done: (granted: boolean) => void;
}

export class LockModel {
  private granted: ModelRequest[] = [];
  private waiting: ModelRequest[] = [];

  tryLock(request: ModelRequest): boolean {
    if (this.holds(request)) return true;
    if (!this.isGrantable(request)) return false;
    this.granted.push(request);
    return true;
  }

  /** Whether it was granted at once. */
  wait(request: ModelRequest): boolean {
    this.waiting.push(request);
    for (const held of [...this.granted]) {
      if (!conflict(held, request) || held.owner.state !== 'active') continue;
      if (!older(request.owner, held.owner)) continue;
      held.owner.state = 'wounded';
      this.drop(held.owner);
    }
    this.settle();
    return !this.waiting.includes(request);
  }

  release(owner: ModelOwner): void {
    owner.state = 'ended';
    this.drop(owner);
    this.settle();
  }

  cancel(request: ModelRequest): void {
    this.waiting = this.waiting.filter((other) => other !== request);
    this.settle();
  }

  /** Who holds the key, and how. */
  holders(key: number): string[] {
    const held = new Map<string, string>();
    for (const { owner, from, to, exclusive } of this.granted) {
      if (from > key || to <= key) continue;
      if (exclusive || !held.has(owner.id)) held.set(owner.id, exclusive ? 'exclusive' : 'shared');
    }
    return [...held].map((entry) => entry.join(' ')).sort();
  }

  isWaiting(request: ModelRequest): boolean {
    return this.waiting.includes(request);
  }

  private holds({ owner, from, to, exclusive }: ModelRequest): boolean {
    return this.granted.some(
      (held) =>
        held.owner === owner &&
        held.from <= from &&
        held.to >= to &&
        (held.exclusive || !exclusive),
    );
  }

  private isGrantable(request: ModelRequest): boolean {
    return (
      !this.granted.some((held) => conflict(held, request)) &&
      !this.waiting.some((other) => conflict(other, request) && older(other.owner, request.owner))
    );
  }

  private drop(owner: ModelOwner): void {
    this.granted = this.granted.filter((held) => held.owner !== owner);
    this.waiting = this.waiting.filter((other) => other.owner !== owner);
  }

  private settle(): void {
    this.waiting.sort((a, b) => (older(a.owner, b.owner) ? -1 : 1));
    for (let i = 0; i < this.waiting.length; ) {
      const request = this.waiting[i] as ModelRequest;
      if (!this.isGrantable(request)) {
        i++;
        continue;
      }
      this.waiting.splice(i, 1);
      this.granted.push(request);
    }
  }
}

function conflict(a: ModelRequest, b: ModelRequest): boolean {
  return a.owner !== b.owner && (a.exclusive || b.exclusive) && a.from < b.to && b.from < a.to;
}

function older(a: ModelOwner, b: ModelOwner): boolean {
  return a.age < b.age || (a.age === b.age && a.id < b.id);
}
