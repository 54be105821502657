// Values of any type as JSON: to_json() and whatever builds JSON from arguments.

import { DbError } from '../base/errors.ts';
import type { ArrayValue, Datum } from './datum.ts';
import { quoteJson } from './json-value.ts';
import { formatText } from './text-format.ts';
import {
  BOOL,
  type ColumnType,
  DATE,
  elementOf,
  FLOAT4,
  FLOAT8,
  INT2,
  INT4,
  INT8,
  JSON_TYPE,
  JSONB,
  NUMERIC,
  TIMESTAMP,
  TIMESTAMPTZ,
} from './types.ts';

type Writer = (value: Datum) => string;

/** As to_json() answers; NULL is null. */
export function jsonWriter(type: ColumnType): Writer {
  const write = valueWriter(type);
  return (value) => (value === null ? 'null' : write(value));
}

function valueWriter(type: ColumnType): Writer {
  const element = elementOf(type.oid);
  if (element !== undefined)
    return arrayWriter(jsonWriter({ oid: element, modifier: type.modifier }));
  switch (type.oid) {
    case BOOL:
      return (value) => (value === true ? 'true' : 'false');
    case INT2:
    case INT4:
    case INT8:
      return String;
    case FLOAT4:
    case FLOAT8:
    case NUMERIC:
      return (value) => {
        const text = formatText(type, value);
        // NaN and the infinities are no numbers there.
        return /[Ny]/.test(text) ? quoteJson(text) : text;
      };
    case JSON_TYPE:
    case JSONB:
      return (value) => value as string;
    default:
      return (value) => quoteJson(textOf(type, value));
  }
}

function textOf(type: ColumnType, value: Datum): string {
  const text = formatText(type, value);
  switch (type.oid) {
    case DATE:
      return text;
    case TIMESTAMP:
      return text.replace(' ', 'T').replace(/T(?=BC$)/, ' ');
    case TIMESTAMPTZ:
      // Offsets have minutes there.
      return text.replace(' ', 'T').replace(/([+-]\d\d)(?=$| BC$)/, '$1:00');
    default:
      return text;
  }
}

/** Row by row in brackets, without blanks. */
function arrayWriter(item: Writer): Writer {
  return (value) => {
    const { items, lengths } = value as ArrayValue;
    if (items.length === 0) return '[]';
    let at = 0;
    const level = (dimension: number): string => {
      const parts: string[] = [];
      for (let i = 0; i < (lengths[dimension] as number); i++) {
        parts.push(
          dimension + 1 < lengths.length ? level(dimension + 1) : item(items[at++] as Datum),
        );
      }
      return `[${parts.join(',')}]`;
    };
    return level(0);
  };
}

/** As a key of an object: always a string. */
export function jsonKeyWriter(type: ColumnType): Writer {
  const isScalar =
    elementOf(type.oid) === undefined && type.oid !== JSON_TYPE && type.oid !== JSONB;
  return (value) => {
    if (!isScalar) {
      throw new DbError('22023', 'key value must be scalar, not array, composite, or json');
    }
    return quoteJson(type.oid === BOOL ? (value === true ? 'true' : 'false') : textOf(type, value));
  };
}
