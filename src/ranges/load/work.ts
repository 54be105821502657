// What requests cost the node that leads their range, reckoned from what is counted: microseconds of its main thread on
// a machine on which nothing else runs (bench: point, tpcb, micro). Only their proportions matter: how much slower this
// machine is, and what else the node does with its time, is learned (node/work-capacity.ts). Proportions are those of
// three nodes of which one leads all, asked for reads and for writes, at itself and at another (docs/performance.md).

export const READ_WORK = 4;
/** On top, when the row cache had it not. */
export const LOADED_ROW_WORK = 4;
export const SCAN_WORK = 30;
export const COMMIT_WORK = 60;
/** On top, when another node asks: its message, and the answer to it. */
export const SERVED_WORK = 16;
export const WRITTEN_ROW_WORK = 4;
export const READ_BYTE_WORK = 0.003;
/** Logged, sent to followers, applied. */
export const WRITTEN_BYTE_WORK = 0.006;

/** Of a follower: it logs and applies what is written, and takes part in nothing else. */
const FOLLOWED_COMMIT_WORK = 34;
const FOLLOWED_ROW_WORK = 1;
const FOLLOWED_BYTE_WORK = 0.004;

export function followerWorkOf(commits: number, written: number, writtenBytes: number): number {
  return (
    commits * FOLLOWED_COMMIT_WORK + written * FOLLOWED_ROW_WORK + writtenBytes * FOLLOWED_BYTE_WORK
  );
}

/** A commit that becomes one of two phases costs about twice as much again: prepare, decide, resolve. */
export const CROSSED_COMMIT_FACTOR = 2;

export function workOf(
  reads: number,
  loaded: number,
  scans: number,
  commits: number,
  served: number,
  written: number,
  readBytes: number,
  writtenBytes: number,
): number {
  return (
    reads * READ_WORK +
    loaded * LOADED_ROW_WORK +
    scans * SCAN_WORK +
    commits * COMMIT_WORK +
    served * SERVED_WORK +
    written * WRITTEN_ROW_WORK +
    readBytes * READ_BYTE_WORK +
    writtenBytes * WRITTEN_BYTE_WORK
  );
}
