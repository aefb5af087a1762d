import type { WorkflowError } from '../workflow-error.ts';

export interface ReportEvent {
  runId: string;
  /** The id of the execution that reports: an ARN on AWS. */
  execution?: string;
  state: {
    error?: WorkflowError;
    rollbackError?: WorkflowError;
    pruneError?: WorkflowError;
    tagsError?: WorkflowError;
    input?: unknown;
    /** Further warnings; not from the workflow. */
    warnings?: string[];
  };
}
