import * as z from 'zod';
import type { ConnectorAddress } from '../../harness/connector.ts';
import { text } from './values.ts';

/** The connector of Harness's images: its change, and the outcome. */

const connectorAddress: z.ZodType<ConnectorAddress> = z.object({
  dockerRegistryUrl: text,
  providerType: text.exactOptional(),
});

/** A change of the address of the connector of Harness's images. */
export const connectorChange = z.object({
  /** The reference in a user's notation: `account.harnessImage`. */
  reference: text,
  ref: z.object({ identifier: text, orgIdentifier: text.exactOptional(), projectIdentifier: text.exactOptional() }),
  from: connectorAddress,
  to: connectorAddress,
});
export type ConnectorChange = z.output<typeof connectorChange>;

/** The outcome of a change of the connector. */
export const connectorResult = z.object({
  reference: text,
  /** The address before the run, and at its end; with `planned`, the address that a `sync` sets. */
  before: text,
  after: text,
  status: z.enum(['planned', 'changed', 'unchanged', 'rolled-back']),
});
export type ConnectorResult = z.output<typeof connectorResult>;

/** The state of the connector that a run has written. */
export const connectorState = connectorResult.pick({ status: true, after: true });
