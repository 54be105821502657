// What is in whose way: a request conflicts with what others hold, and with what older ones wait for; of the holders it
// wounds those that are younger and undecided (P21).

import { compareBytes } from '../../base/bytes.ts';
import { isOlder, type KeyLock, type LockOwner, type SpanLock } from './lock-owner.ts';

/** Other holders that conflict, or older requests that do. */
export function keyConflicts(owner: LockOwner, lock: KeyLock, exclusive: boolean): boolean {
  if (lock.holder !== undefined) {
    if (lock.holder !== owner && (exclusive || lock.exclusive)) return true;
    if (exclusive && lock.others !== undefined) {
      for (const other of lock.others) if (other !== owner) return true;
    }
  }
  if (lock.waits !== undefined) {
    for (const wait of lock.waits) {
      if (!isOlder(wait.owner, owner)) break;
      if (exclusive || wait.exclusive) return true;
    }
  }
  return false;
}

/** Another owner's span: held, or waited for by someone older. */
export function spanConflicts(requester: LockOwner, span: SpanLock, exclusive: boolean): boolean {
  if (!exclusive && !span.exclusive) return false;
  return span.granted || isOlder(span.owner, requester);
}

export function addKeyVictims(
  requester: LockOwner,
  lock: KeyLock,
  exclusive: boolean,
  victims: LockOwner[],
): void {
  if (lock.holder === undefined || !(exclusive || lock.exclusive)) return;
  addVictim(requester, lock.holder, victims);
  if (lock.others === undefined) return;
  for (const other of lock.others) addVictim(requester, other, victims);
}

export function addSpanVictim(
  requester: LockOwner,
  span: SpanLock,
  exclusive: boolean,
  victims: LockOwner[],
): void {
  if (span.granted && (exclusive || span.exclusive)) addVictim(requester, span.owner, victims);
}

function addVictim(requester: LockOwner, holder: LockOwner, victims: LockOwner[]): void {
  if (holder.state === 'active' && isOlder(requester, holder)) victims.push(holder);
}

export function covers(span: SpanLock, key: Uint8Array): boolean {
  return (
    compareBytes(span.key, key) <= 0 && (span.end === undefined || compareBytes(key, span.end) < 0)
  );
}

export function meets(a: SpanLock, b: SpanLock): boolean {
  return (
    (a.end === undefined || compareBytes(b.key, a.end) < 0) &&
    (b.end === undefined || compareBytes(a.key, b.end) < 0)
  );
}
