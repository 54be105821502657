// Who this data directory belongs to: written once, checked at every start.

import { DbError } from '../base/errors.ts';
import { fromUtf8, toHex, utf8 } from '../base/bytes.ts';
import type { Files, Random } from '../runtime/runtime.ts';

/** The layout of the whole data directory; a newer one is refused. */
const FORMAT_VERSION = 1;

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
  /** All nodes of the cluster, this one included; empty: it is the only one, wherever it listens. */
  readonly members: readonly Member[];
}

export function identityPath(dataDirectory: string): string {
  return `${dataDirectory}/node.json`;
}

export async function loadIdentity(
  files: Files,
  random: Random,
  dataDirectory: string,
  shards: number,
): Promise<NodeIdentity> {
  const path = identityPath(dataDirectory);
  const bytes = await files.read(path);
  if (bytes === undefined) {
    // A first start that was cut off may have left the lock, and a node.json that was not in place yet.
    const strange = (await files.list(dataDirectory)).filter(
      (name) => !name.startsWith('meridian.lock') && !name.startsWith('node.json'),
    );
    if (strange.length > 0) {
      throw new DbError(
        '58P01',
        `${dataDirectory} has files (${strange.slice(0, 3).join(', ')}) but no node.json: it is no data directory of ours`,
        { hint: 'Give --data a directory that is empty or new.' },
      );
    }
    const identity: NodeIdentity = {
      formatVersion: FORMAT_VERSION,
      clusterId: randomId(random),
      nodeId: 1,
      shards: Math.max(1, shards),
      members: [],
    };
    await writeIdentity(files, dataDirectory, identity);
    return identity;
  }
  const identity = parseIdentity(path, bytes);
  if (identity.formatVersion > FORMAT_VERSION) {
    throw new DbError(
      '58P01',
      `${dataDirectory} has format version ${identity.formatVersion}, this program knows versions up to ${FORMAT_VERSION}`,
      { hint: 'Use a newer version of the program.' },
    );
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
  identity: NodeIdentity,
): Promise<void> {
  const text = `${JSON.stringify(identity, null, 2)}\n`;
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
    return { ...(found as NodeIdentity), members: found?.members ?? [] };
  }
  throw new DbError('XX001', `${path} does not say whose data this is: it is damaged`, {
    hint: 'Restore it from a backup; it is written once and never changed.',
  });
}

function randomId(random: Random): string {
  const bytes = new Uint8Array(16);
  for (let i = 0; i < 16; i++) bytes[i] = random.below(256);
  return toHex(bytes);
}
