// What is written down when a replica is found to differ from the others: it may not serve, also after a restart. It stays
// until the data directory is replaced.

import { fromUtf8, utf8 } from '../../base/bytes.ts';
import type { Files } from '../../runtime/runtime.ts';
import type { RangeId } from '../../storage/shard.ts';

const NAME = /^range-(\d+)\.broken$/;

export function markBroken(
  files: Files,
  dataDirectory: string,
  range: RangeId,
  reason: string,
): Promise<void> {
  return files.replace(`${dataDirectory}/range-${range}.broken`, utf8(`${reason}\n`));
}

/** Of each range that is marked, why. */
export async function readBroken(
  files: Files,
  dataDirectory: string,
): Promise<ReadonlyMap<RangeId, string>> {
  const broken = new Map<RangeId, string>();
  for (const name of await files.list(dataDirectory)) {
    const range = NAME.exec(name)?.[1];
    if (range === undefined) continue;
    const reason = await files.read(`${dataDirectory}/${name}`);
    if (reason !== undefined) broken.set(Number(range), fromUtf8(reason).trim());
  }
  return broken;
}
