import * as z from 'zod';
import { digest } from '../content.ts';
import { configField, text, texts } from './values.ts';

/** Fields of Harness: the changes of a run, the fields it keeps, and the outcome of each. */

/** A change of one field of a configuration. `null` stands for "no override". */
export const fieldChange = configField.extend({
  from: text.nullable(),
  /** The value to write; `null` removes the override. */
  to: text.nullable(),
  /** The image that must be at the target first. */
  image: text.exactOptional(),
});
export type FieldChange = z.output<typeof fieldChange>;

/** A field that is not changed, with the reason where it is not obvious. */
export const keptField = configField.extend({
  value: text.nullable(),
  image: text.exactOptional(),
  reason: text.exactOptional(),
});
export type KeptField = z.output<typeof keptField>;

export const changes = z.object({ changes: z.array(fieldChange), held: z.array(keptField) });

/** Harness's default for a field whose override is behind it. */
export const fieldDefault = configField.extend({
  /** The official image: `harness/ci-addon:1.18.27`. */
  official: text,
  /** The version that Harness's own checks name as more than two minor versions old, and the image of an old major one. */
  outdated: text.exactOptional(),
  deprecated: text.exactOptional(),
});
export type FieldDefault = z.output<typeof fieldDefault>;

/** A version that Harness is not switched to yet. */
export const soakingVersion = z.object({
  image: text,
  /** The digest of the official manifest. */
  digest,
  /** The first day of the switch. */
  until: text,
  /** The fields that Harness offers it for, or offered it for since the version in use: `ci K8 addonTag`. */
  fields: texts,
});
export type SoakingVersion = z.output<typeof soakingVersion>;

/** The outcome of one field in a report. */
const configResult = configField.extend({
  from: text.nullable(),
  to: text.nullable(),
  status: z.enum(['updated', 'reset', 'unchanged', 'rejected', 'rolled-back', 'planned']),
  reason: text.exactOptional(),
  /** Set when the override is older than Harness's default. */
  behind: z
    .object({
      /** `2 minor versions` */
      by: text,
      /** Harness's default. */
      official: text,
      /** The result of Harness's own check, when it names the override. */
      harness: z.enum(['outdated', 'deprecated']).exactOptional(),
    })
    .exactOptional(),
});
export type ConfigResult = z.output<typeof configResult>;
export const config = z.array(configResult);
