import type { ErrorDocument } from '../errors.ts';
import { harnessAfter } from '../state/harness-after.ts';
import type { Report } from '../state/documents.ts';
import { describeProblems } from '../settings/problems.ts';
import { duration, plural, time } from './formats.ts';
import { type Child, type Html, html } from './html.ts';
import { badge, shapeOf } from './status.ts';
import { folded } from './table.ts';
import { block, line } from './text.ts';

/** A message may list every field that could not be put back. */
const messageLimit = 20_000;
/** Longer messages are folded. */
const shortMessage = 600;

/** Shows the answer to the first questions: is Harness safe, what failed, whose fault is it, and what to do. */
export function verdict(report: Report): Html {
  const { status, error, firstError, reason, awaiting, blocked } = report;
  const tone = report.harness === 'unknown' ? 'bad' : shapeOf(status).tone;
  return html`<div class=${`verdict ${awaiting && tone === 'good' ? 'warn' : tone}`}>
    <p class="main">${badge(status)}<span>${harnessSentence(report)}</span></p>
    ${reason !== undefined && html`<p>${line(reason)}</p>`} ${error && failure(error, report.nextRun)}
    ${firstError && html`<p>Before that, the run failed: <strong>${line(firstError.name)}</strong>: ${line(firstError.message)}</p>`}
    ${
      awaiting &&
      html`<p>${line(awaiting.reason)}</p>
        <p>To switch:</p>
        ${block(awaiting.command, messageLimit)}`
    }
    ${
      blocked &&
      !error &&
      html`<p>A sync would not switch Harness: ${line(blocked.reason)}</p>
        <ol>
          ${blocked.steps.map((step) => html`<li>${line(step, messageLimit)}</li>`)}
        </ol>`
    }
  </div>`;
}

function failure({ name, message, hint, problems = [] }: ErrorDocument, nextRun: string | undefined): Child {
  const blame = origins[name];
  const whole = html`<p><strong>${line(name)}</strong>: ${line(message, messageLimit)}</p>`;
  return [
    message.length > shortMessage
      ? [
          html`<p><strong>${line(name)}</strong>: ${line(message, shortMessage)}</p>`,
          folded('The whole message', whole),
        ]
      : whole,
    problems.length > 0 &&
      html`<ul>
        ${describeProblems(problems).map((problem) => html`<li>${line(problem)}</li>`)}
      </ul>`,
    blame !== undefined && html`<p>Where the cause is: ${blame}.</p>`,
    html`<p><strong>What to do:</strong> ${line(hint, messageLimit)}</p>`,
    nextRun !== undefined && html`<p>The schedule starts the next run at ${time(nextRun)}.</p>`,
    blame !== undefined && html`<p class="dim">More: docs/troubleshooting.md, section “${name}”.</p>`,
  ];
}

/** Returns where a failure with a name has its cause, as far as the name tells. */
const origins: Readonly<Record<string, string>> = {
  ChecksFailed: 'the checks that failed; each has its own cure below',
  CredentialHelperFailed: "a credential helper of this machine's Docker configuration",
  DigestMismatch: 'the registry, or a proxy or cache before it, which served or kept other bytes',
  DriftFound: 'something that changed Harness or the registry since the last sync, or a new version of Harness',
  FunctionCrashed: 'a function of this deployment',
  HarnessForbidden: 'the permissions of the API key in Harness',
  HarnessRejected: 'Harness, which refused the values',
  HarnessUnauthorized: 'the API key',
  HarnessUnexpectedResponse: 'Harness, or a proxy before it',
  HarnessUnreachable: 'the network to Harness, or Harness',
  ImageNotFound: 'the source registries, which lack an image',
  ImagesFailed: 'the images that failed; each has its own reason below',
  ImagesIncomplete: 'the target registry, which lost parts of images',
  Interrupted: 'the person who interrupted the command',
  InvalidConfiguration: 'the configuration of this deployment',
  InvalidInput: 'the input of the run',
  LambdaThrottled: "the concurrency limit of this AWS account's functions",
  LambdaUnavailable: 'AWS Lambda',
  LockLost: 'another run, or a store that was unreachable for too long',
  ManifestInvalid: 'the source registry, which served a broken manifest',
  ManifestUnsupported: 'the image, or a target registry that does not accept its format',
  PushRefused: 'the target registry',
  RegistryFailed: 'a registry',
  RegistryForbidden: 'the permissions at a registry',
  RegistryThrottled: 'the rate limit of a registry',
  RegistryUnauthorized: 'the login to a registry',
  RegistryUnreachable: 'the network to a registry, or the registry',
  RollbackFailed: 'Harness, which could not be put back',
  RollbackPending: 'Harness, which is not available',
  RunStopped: 'the person or the limit that stopped the execution',
  ScanFailed: 'findings in images',
  ScanTimedOut: 'the scanner of the registry',
  SnapshotNotFound: 'the input, which names a run without a snapshot',
  StoreFailed: 'the store of runs',
  SwitchBlocked: "the connector of Harness's images",
  TemplateFailed: 'the function or workflow that the deployment calls',
  UnexpectedError: 'the factory: this is a bug',
  VerificationFailed: 'Harness or the registry, which did not show what was written',
};

function harnessSentence(report: Report): Child {
  const { action, config, connector, status } = report;
  const fields = (...statuses: string[]) =>
    plural(config.filter((row) => statuses.includes(row.status)).length, 'field');
  const also = connector?.status === 'changed' ? ' and the connector' : '';
  if (action === 'doctor') return 'Nothing was changed: doctor only looks.';
  if (action === 'plan') return `Nothing was changed: this is a plan. A sync would switch ${fields('planned')}.`;
  switch (report.harness ?? harnessAfter(report)) {
    case 'unknown':
      return 'Harness may be partly switched: the rollback failed.';
    case 'rolled-back':
      return `Harness is as it was before the run: ${fields('rolled-back')} were rolled back.`;
    case 'switched':
      return switchedSentence(action, fields('updated', 'reset'), also);
    case 'unchanged':
      if (action !== 'verify') return 'Harness is as it was before the run: nothing was changed.';
      return status === 'SUCCEEDED'
        ? 'Harness uses the copies, and they are complete.'
        : 'Harness or the registry is not as it should be. Verify changes nothing.';
  }
}

function switchedSentence(action: string, fields: string, also: string): string {
  if (action === 'reset') return `Harness uses its own images again: ${fields} reset.`;
  if (action === 'restore') return `Harness is as it was before the restored run: ${fields}${also} restored.`;
  return `Harness was switched to the copies: ${fields}${also} switched, and verified.`;
}

/** Shows when the run took place and how long it took. */
export function when({ startedAt, totals }: Report): Child {
  const took = duration(totals.durationMs);
  return startedAt === undefined ? took : [time(startedAt), ` · ${took}`];
}
