// That what goes between the nodes goes through the proxies, so that a cut is one: both ends of each link must notice.

import { pause } from './clients.ts';
import type { Fleet } from './fleet.ts';
import type { Violations } from './violations.ts';

const PATIENCE_MILLIS = 60_000;

export async function proveCuts(fleet: Fleet, violations: Violations): Promise<void> {
  let isProven = false;
  const late = pause(PATIENCE_MILLIS).then(() => {
    if (!isProven) violations.add('a link was cut, and the nodes at its ends did not notice');
  });
  await Promise.race([cutEach(fleet), late]);
  isProven = true;
}

async function cutEach(fleet: Fleet): Promise<void> {
  const { ids, links } = fleet;
  for (const a of ids) {
    for (const b of ids) {
      if (b <= a) continue;
      const lost = [lostAt(fleet, a, b), lostAt(fleet, b, a)];
      // Only the lower id dials.
      const unreachable = fleet.says(a, `node ${b} can't be reached`);
      const heal = links.cut(a, b, 'reset');
      fleet.relinked();
      await Promise.all([...lost, unreachable]);
      const back = fleet.says(b, `connected to node ${a}`);
      heal();
      fleet.relinked();
      await back;
    }
  }
}

function lostAt(fleet: Fleet, at: number, other: number): Promise<void> {
  return fleet.says(at, `lost the connection to node ${other}`);
}
