// Who this data directory belongs to: written when its node becomes part of a cluster, checked at every start.

import { DbError } from '../base/errors.ts';
import { fromUtf8, toHex, utf8 } from '../base/bytes.ts';
import type { Files, Random } from '../runtime/runtime.ts';

/** The layout of the whole data directory; another one is refused. Up to version 2 there was one range for everything. */
const FORMAT_VERSION = 3;

/** What may be there before node.json: the lock, and what a node keeps while it waits (bootstrap.ts). */
const OF_A_FIRST_START = ['meridian.lock', 'node.json', 'bootstrap.json'];

/** A node of the cluster and where it is reached, each as HOST:PORT. */
export interface Member {
  readonly nodeId: number;
  readonly rpc: string;
  readonly sql: string;
  readonly http: string;
}

export interface NodeIdentity {
  readonly formatVersion: number;
  readonly clusterId: string;
  readonly nodeId: number;
  /** A shard keeps its ranges, so their number is fixed with the first start. */
  readonly shards: number;
  /** All nodes of the cluster that are known, this one included; empty: it is the only one, wherever it listens. */
  readonly members: readonly Member[];
  /** On whose nodes the first ranges began; nodes that join later have none of them. */
  readonly founders: readonly number[];
  /** Of this directory, from before it belonged to a cluster. */
  readonly instanceId?: string;
}

export function identityPath(dataDirectory: string): string {
  return `${dataDirectory}/node.json`;
}

/** Undefined: this directory belongs to no cluster yet. Refused: it has files of somebody else. */
export async function readIdentity(
  files: Files,
  dataDirectory: string,
): Promise<NodeIdentity | undefined> {
  const path = identityPath(dataDirectory);
  const bytes = await files.read(path);
  if (bytes === undefined) {
    // A first start that was cut off may have left these, and files that were not in place yet.
    const strange = (await files.list(dataDirectory)).filter(
      (name) => !OF_A_FIRST_START.some((own) => name.startsWith(own)),
    );
    if (strange.length === 0) return undefined;
    throw new DbError(
      '58P01',
      `${dataDirectory} has files (${strange.slice(0, 3).join(', ')}) but no node.json: it is no data directory of ours`,
      { hint: 'Give --data a directory that is empty or new.' },
    );
  }
  const identity = parseIdentity(path, bytes);
  if (identity.formatVersion > FORMAT_VERSION) {
    throw new DbError(
      '58P01',
      `${dataDirectory} has format version ${identity.formatVersion}, this program knows versions up to ${FORMAT_VERSION}`,
      { hint: 'Use a newer version of the program.' },
    );
  }
  if (identity.formatVersion < FORMAT_VERSION) {
    throw new DbError(
      '58P01',
      `${dataDirectory} has format version ${identity.formatVersion}, this program needs version ${FORMAT_VERSION}`,
      { hint: 'Start the version of the program that wrote it, and move the data with COPY.' },
    );
  }
  return identity;
}

/** A directory without one becomes that of the only node of a new cluster. */
export async function loadIdentity(
  files: Files,
  random: Random,
  dataDirectory: string,
  shards: number,
): Promise<NodeIdentity> {
  const identity = await readIdentity(files, dataDirectory);
  if (identity === undefined) {
    const clusterId = randomId(random);
    const fresh = { clusterId, nodeId: 1, shards: Math.max(1, shards), members: [], founders: [1] };
    await writeIdentity(files, dataDirectory, fresh);
    return { ...fresh, formatVersion: FORMAT_VERSION };
  }
  if (shards > 0 && identity.shards !== Math.max(1, shards)) {
    throw new DbError(
      '22023',
      `${dataDirectory} was made with ${identity.shards} storage shards; it can't be started with ${shards}`,
      { hint: `Start it with --shards ${identity.shards}.` },
    );
  }
  return identity;
}

export function writeIdentity(
  files: Pick<Files, 'replace'>,
  dataDirectory: string,
  identity: Omit<NodeIdentity, 'formatVersion' | 'founders'> &
    Partial<Pick<NodeIdentity, 'formatVersion' | 'founders'>>,
): Promise<void> {
  const text = `${JSON.stringify({ ...identity, formatVersion: FORMAT_VERSION }, null, 2)}\n`;
  return files.replace(identityPath(dataDirectory), utf8(text));
}

function parseIdentity(path: string, bytes: Uint8Array): NodeIdentity {
  let found: Partial<NodeIdentity> | null | undefined;
  try {
    found = JSON.parse(fromUtf8(bytes)) as Partial<NodeIdentity> | null;
  } catch {
    found = undefined;
  }
  const counts = [found?.formatVersion, found?.nodeId, found?.shards];
  if (counts.every((count) => Number.isSafeInteger(count) && (count as number) > 0)) {
    const members = found?.members ?? [];
    // Until nodes could join, all members were founders.
    const ids = members.length === 0 ? [1] : members.map(({ nodeId }) => nodeId);
    return { ...(found as NodeIdentity), members, founders: found?.founders ?? ids };
  }
  throw new DbError('XX001', `${path} does not say whose data this is: it is damaged`, {
    hint: 'Restore it from a backup.',
  });
}

export function randomId(random: Random): string {
  const bytes = new Uint8Array(16);
  for (let i = 0; i < 16; i++) bytes[i] = random.below(256);
  return toHex(bytes);
}
