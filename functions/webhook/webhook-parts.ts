import type { Executions } from '../aws/executions.ts';
import type { Configuration } from '../settings/configuration.ts';
import type { Report } from '../state/documents.ts';
import type { ConsoleLinks } from '../text/console.ts';
import type { Tokens } from './tokens.ts';

/** The surroundings of the webhook. */
export interface WebhookParts {
  /** `undefined` when Lambda verifies signatures. */
  tokens: Tokens | undefined;
  executions: Pick<Executions, 'start' | 'find' | 'stateOf' | 'stop'>;
  /** Returns the report of a run, if it is written. */
  findReport: (runId: string) => Promise<Report | undefined>;
  /** Returns the addresses of a run in the console of AWS. */
  links?: (runId: string) => ConsoleLinks | undefined;
  configuration: Configuration;
  now?: () => number;
}
