import type { Executions } from '../aws/executions.ts';
import type { Configuration } from '../settings/configuration.ts';
import type { Report } from '../state/documents.ts';
import type { Tokens } from './tokens.ts';

/** The used part of a Function URL's request (payload format 2.0, with header names in lower case). */
export interface WebhookRequest {
  rawPath: string;
  headers: Readonly<Record<string, string | undefined>>;
  requestContext: {
    domainName: string;
    http: { method: string };
    /** The caller, when Lambda verifies signatures. */
    authorizer?: { iam?: { userArn?: string } };
  };
  body?: string;
  isBase64Encoded?: boolean;
}

export interface WebhookResponse {
  statusCode: number;
  headers: Record<string, string>;
  body: string;
}

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
