// to_char(), to_date() and to_timestamp() with templates.

import { timestampToDate } from './casts.ts';
import { scalar, type ScalarFunction } from './function-types.ts';
import { formatTemplate, parseTemplate } from './time-template.ts';
import { DATE, TEXT, TIMESTAMP, TIMESTAMPTZ } from './types.ts';

type Instant = number | bigint;

export const templateFunctions: readonly ScalarFunction[] = [
  scalar('to_char', [TIMESTAMP, TEXT], TEXT, (value: Instant, template: string) =>
    formatTemplate(value, template, false),
  ),
  scalar('to_char', [TIMESTAMPTZ, TEXT], TEXT, (value: Instant, template: string) =>
    formatTemplate(value, template, true),
  ),
  scalar('to_timestamp', [TEXT, TEXT], TIMESTAMPTZ, parseTemplate),
  scalar('to_date', [TEXT, TEXT], DATE, (text: string, template: string) =>
    timestampToDate(parseTemplate(text, template)),
  ),
];
