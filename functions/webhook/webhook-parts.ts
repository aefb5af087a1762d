import type { Executions } from '../aws/executions.ts';
import type { Configuration } from '../settings/configuration.ts';
import type { Report } from '../state/documents.ts';
import type { Tokens } from './tokens.ts';

/** The surroundings of the webhook. */
export interface WebhookParts {
  /** `undefined` when Lambda verifies signatures. */
  tokens: Tokens | undefined;
  executions: Pick<Executions, 'start' | 'find' | 'stateOf' | 'stop'>;
  /** Returns the report of a run, if it is written. */
  findReport: (runId: string) => Promise<Report | undefined>;
  configuration: Configuration;
  now?: () => number;
}
