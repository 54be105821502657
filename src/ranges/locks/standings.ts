// Keeps account of where a transaction stands (standing.ts) as its requests are answered, and quotes what it was granted.

import { MIN_TIMESTAMP, type Timestamp } from '../../clock/timestamp.ts';
import { overlaps } from '../descriptor.ts';
import type { RangeEndpoint, RangeTxn } from '../endpoint.ts';
import type { LockSession, Refusal, Span, TxnRef } from '../requests.ts';
import type { Route } from '../routing/route.ts';
import { Stand, type Standing } from '../standing.ts';

/** Who asks; used again for every request, so that none is made for it. Nobody may keep it beyond the call. */
export class Asking implements RangeTxn {
  id = '';
  age: Timestamp = MIN_TIMESTAMP;
  session: LockSession | undefined = undefined;

  by(txn: TxnRef, session: LockSession | undefined): this {
    this.id = txn.id;
    this.age = txn.age;
    this.session = session;
    return this;
  }
}

export const LOST: Refusal & { readonly kind: 'sessionGone' } = {
  kind: 'sessionGone',
  message: 'its locks were lost',
};
export const OVER: Refusal & { readonly kind: 'sessionGone' } = {
  kind: 'sessionGone',
  message: 'the transaction has ended already',
};

/** The session to quote in a range: its own there, or the one that it took over when it was divided off (P15). */
export function sessionIn(standing: Standing, route: Route): LockSession | undefined {
  const { first } = standing;
  if (first === undefined) return undefined;
  if (first.session.range === route.range) return first.session;
  const own = standing.in(route.range);
  if (own !== undefined) return own.session;
  for (const stand of standing.all()) {
    if (stand.spans.some((span) => overlaps(span, route.span))) return stand.session;
  }
  return undefined;
}

/** What was asked for under locks. */
export type Locked = Uint8Array | readonly Uint8Array[] | Span;

/** Writes an answer's session into the standing. False: the transaction has another session there already, so that what
 * it had locked was lost on the way. */
export function stands(
  standing: Standing,
  session: LockSession,
  endpoint: RangeEndpoint,
  locked: Locked,
): boolean {
  let stand = standing.in(session.range);
  if (stand === undefined) {
    stand = standOf(session, locked);
    standing.add(stand);
    stand.endpoint = endpoint;
    if (isOne(locked)) return true;
  } else if (stand.session !== session) {
    const { session: known } = stand;
    if (known.session !== session.session || known.term !== session.term) {
      standing.lost = LOST.message;
      return false;
    }
    stand.session = session;
  }
  stand.endpoint = endpoint;
  if (locked instanceof Uint8Array) stand.coverKey(locked);
  else if ('start' in locked) stand.coverSpan(locked);
  else for (let i = 0; i < locked.length; i++) stand.coverKey(locked[i] as Uint8Array);
  return true;
}

/** A single key, or a span: with its stand all of it is accounted for. */
function isOne(locked: Locked): boolean {
  return locked instanceof Uint8Array || 'start' in locked;
}

function standOf(session: LockSession, locked: Locked): Stand {
  if (locked instanceof Uint8Array) return Stand.ofKey(session, locked);
  if ('start' in locked) return new Stand(session, locked.start, locked.end, false);
  return Stand.ofKey(session, locked[0] as Uint8Array);
}
