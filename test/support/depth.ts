// How deep tests go that could go on for ever: as far as a newcomer waits for, or further where there is time, which is in
// a step of CI of its own (.ci/run).

const asked = process.env['MERIDIAN_SEEDS'];

/** How many seeds there is time for; undefined: few. */
export const moreSeeds: number | undefined = asked === undefined ? undefined : Number(asked);

/** So many first seeds: a half of them, or all where there is time. */
export function firstSeeds(count: number): readonly number[] {
  const length = moreSeeds === undefined ? Math.ceil(count / 2) : count;
  return Array.from({ length }, (_, i) => i + 1);
}
