import type { Report } from '../state/documents.ts';
import type { RunDocuments } from '../state/run-documents.ts';
import type { ConsoleLinks } from '../text/console.ts';
import { causeOf } from './cause.ts';

/** The output of the workflow: the report, and the cause of a failure for the console. */
export type ReportOutput = Report & { cause?: string };

/** Step Functions refuses states above 262,144 bytes. The rest is for the fields that the workflow adds. */
const stateLimit = 240_000;

/** Returns the output of the workflow. A report that is too large for a state comes without its lists. */
export function outputOf(document: Report, documents: RunDocuments, links: ConsoleLinks | undefined): ReportOutput {
  const fits = Buffer.byteLength(JSON.stringify(document)) <= stateLimit;
  const result: ReportOutput = fits ? document : shortened(document);
  return document.error ? { ...result, cause: causeOf(document.error, documents.report.location, links) } : result;
}

function shortened(document: Report): Report {
  const {
    input: _input,
    unused: _unused,
    incomplete: _incomplete,
    soaking: _soaking,
    pulls: _pulls,
    needed: _needed,
    ...rest
  } = document;
  const warnings = [
    `input, images, config, unused copies and warnings are too long to be shown here: see runs/${document.runId}/report.json in the object store`,
  ];
  return { ...rest, images: [], config: [], warnings };
}
