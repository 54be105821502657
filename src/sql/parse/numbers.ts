// Numbers as the grammar hands them over or a user wrote them.

/** 12345678901, 0xffffffffff, 1_000_000_000_000 as plain digits. */
export function numberValue(
  source: string,
): { type: 'integer'; text: string } | { type: 'decimal'; text: string } {
  const text = source.replaceAll('_', '');
  const sign = text.startsWith('-') ? '-' : '';
  const magnitude = text.slice(sign.length);
  if (/^0[xob]/i.test(magnitude)) return { type: 'integer', text: `${sign}${BigInt(magnitude)}` };
  return { type: /^\d+$/.test(magnitude) ? 'integer' : 'decimal', text };
}
