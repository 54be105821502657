// Judges a set to which elements are added, and which is read whole.
//
// That elements are missing from a read says nothing of itself where real time does not matter, since the read may have
// been of an older moment. The last read is the exception, as it is in Jepsen: it is there to find out what is
// left, so what was acknowledged before the last read was asked for, and is not in it, is lost by any model.

import { type Call, NEVER, whereabouts } from './calls.ts';
import { badEvent, isScalar, type Scalar } from './events.ts';
import type { Findings } from './models.ts';

interface SetRead {
  readonly call: Call;
  readonly elements: ReadonlySet<Scalar>;
}

/** What is known of an element. */
interface Added {
  readonly call: Call;
  /** Of the reads that saw it the one that was answered first. */
  firstSeen: SetRead | undefined;
}

export function checkSet(calls: readonly Call[], findings: Findings): void {
  const added = new Map<Scalar, Added>();
  const reads: SetRead[] = [];
  for (const call of calls) {
    if (call.f === 'add') addElement(added, call);
    else if (call.f !== 'read') throw badEvent(call.from, `f '${call.f}' is neither add nor read`);
  }
  for (const call of calls) {
    if (call.f === 'read' && call.outcome === 'done') reads.push(readOf(call, added, findings));
  }
  for (const [element, one] of added) checkElement(element, one, reads, findings);
  checkForks(reads, findings);
}

function addElement(added: Map<Scalar, Added>, call: Call): void {
  const element = call.asked;
  if (!isScalar(element)) throw badEvent(call.from, `${JSON.stringify(element)} is no element`);
  const other = added.get(element);
  if (other !== undefined) {
    throw badEvent(call.from, `${element} is added once more, after event ${other.call.from}`);
  }
  added.set(element, { call, firstSeen: undefined });
}

function readOf(call: Call, added: Map<Scalar, Added>, findings: Findings): SetRead {
  const { answered } = call;
  if (!Array.isArray(answered) || !answered.every(isScalar)) {
    throw badEvent(call.to as number, `${JSON.stringify(answered)} is no list of elements`);
  }
  const list: readonly Scalar[] = answered;
  const read = { call, elements: new Set(list) };
  if (read.elements.size < list.length) {
    const twice = list.find((element, i) => list.indexOf(element) < i);
    findings.add('duplicate-elements', () => [tellRead('T1', read), `  T1 read ${twice} twice`]);
  }
  for (const element of read.elements) {
    const one = added.get(element);
    if (one === undefined) {
      findings.add('unwritten', () => [
        tellRead('T1', read),
        `  T1 read ${element}, which nobody added`,
      ]);
      continue;
    }
    if (one.call.outcome === 'failed') {
      findings.add('G1a', () => [
        tellAdd('T1', element, one),
        tellRead('T2', read),
        `  T2 read ${element}, which was refused`,
      ]);
    }
    if (one.call.invoked > call.completed) {
      findings.add('G1c-realtime', () => [
        tellRead('T1', read),
        tellAdd('T2', element, one),
        `  T1 read ${element} before anybody asked to add it`,
      ]);
    }
    if (call.completed < (one.firstSeen?.call.completed ?? NEVER)) one.firstSeen = read;
  }
  return read;
}

/** `reads` in the order in which they were asked for. */
function checkElement(
  element: Scalar,
  one: Added,
  reads: readonly SetRead[],
  findings: Findings,
): void {
  const { call, firstSeen } = one;
  const last = reads.at(-1);
  if (last === undefined || call.outcome === 'failed') return;
  const tell =
    (read: SetRead, what: string, ...others: readonly string[]) =>
    () => [
      tellAdd('T1', element, one),
      ...others,
      tellRead('T2', read),
      `  ${element} was ${what} before T2 began, which did not find it`,
    ];
  if (call.completed < last.call.invoked && !last.elements.has(element)) {
    findings.add('lost', tell(last, 'acknowledged'));
    return;
  }
  const gone = firstSeen && reads[firstWithout(reads, firstSeen.call.completed, element)];
  if (firstSeen !== undefined && gone !== undefined) {
    findings.add('vanished', tell(gone, 'seen by T3', tellRead('T3', firstSeen)));
    return;
  }
  const missing = reads[firstWithout(reads, call.completed, element)];
  if (missing !== undefined) findings.add('stale', tell(missing, 'acknowledged'));
}

/** The first read that was asked for after a place and lacks the element. */
function firstWithout(reads: readonly SetRead[], place: number, element: Scalar): number {
  let low = 0;
  let high = reads.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((reads[middle] as SetRead).call.invoked < place) low = middle + 1;
    else high = middle;
  }
  while (low < reads.length && reads[low]?.elements.has(element) === true) low += 1;
  return low;
}

/** Sorted by how much they saw, each must have all that those before it have. */
function checkForks(reads: readonly SetRead[], findings: Findings): void {
  const sorted = [...reads].sort((a, b) => a.elements.size - b.elements.size);
  for (const [i, later] of sorted.entries()) {
    const earlier = sorted[i - 1];
    const missing = earlier === undefined ? undefined : lackOf(later, earlier);
    if (earlier === undefined || missing === undefined) continue;
    findings.add('long-fork', () => [
      tellRead('T1', earlier),
      tellRead('T2', later),
      `  T1 saw ${missing} and not ${lackOf(earlier, later)}, T2 the other way round`,
    ]);
  }
}

function lackOf(one: SetRead, other: SetRead): Scalar | undefined {
  for (const element of other.elements) if (!one.elements.has(element)) return element;
  return undefined;
}

function tellRead(name: string, { call, elements }: SetRead): string {
  return `${name} (${whereabouts(call)}): read of ${elements.size} elements`;
}

function tellAdd(name: string, element: Scalar, { call }: Added): string {
  return `${name} (${whereabouts(call)}): add ${element}`;
}
