import * as z from 'zod';
import { time } from './values.ts';

/** The steps of a run, named after their tasks. */
const phaseNames = [
  'plan',
  'copy',
  'export',
  'scan',
  'gate',
  'snapshot',
  'update-config',
  'reset-config',
  'verify',
  'prune',
  'rollback',
] as const;
export type PhaseName = (typeof phaseNames)[number];

/** The time that one step of a run took, by the clock of its task. */
const phase = z.object({ name: z.enum(phaseNames), startedAt: time, endedAt: time });
export type Phase = z.output<typeof phase>;
export const phases = z.array(phase);

/** The starters of runs. An `execution` is started in the console, by the CLI or by another service of AWS. */
export const trigger = z.enum(['schedule', 'webhook', 'execution', 'command']);
