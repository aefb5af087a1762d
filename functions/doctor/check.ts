import { FactoryError } from '../errors.ts';
import { networkFailure } from '../http/network-error.ts';
import { advise } from '../advice.ts';
import { redacted } from '../http/redact.ts';
import type { Check } from '../state/documents/checks.ts';
import { cellLimit, printable } from '../text/printable.ts';

/** The outcome of a check without its name. */
export type Finding = Omit<Check, 'name'>;

export function ok(message: string): Finding {
  return { status: 'ok', message };
}

export function warning(message: string, cure: string): Finding {
  return { status: 'warning', message, cure };
}

export function failed(message: string, cure: string): Finding {
  return { status: 'failed', message, cure };
}

export function skipped(message: string): Finding {
  return { status: 'skipped', message };
}

/** Runs one check. An error is a finding too: every check has a line. */
export async function check(
  name: string,
  look: () => Finding | Promise<Finding>,
  signal?: AbortSignal,
): Promise<Check> {
  const finding = await Promise.resolve()
    .then(look)
    .catch((error: unknown) => findingOf(error, signal));
  const { message, cure } = finding;
  return {
    name: shown(name),
    status: finding.status,
    message: shown(message),
    ...(cure !== undefined && { cure: shown(cure) }),
  };
}

/** Returns an error as a failed check. */
export function findingOf(error: unknown, signal?: AbortSignal): Finding {
  if (signal?.aborted && error === signal.reason)
    return failed('no response in time', 'Check the network and its proxies, and run it again.');
  const network = error instanceof FactoryError ? undefined : networkFailure(error);
  if (network) return failed(`${network.text} (${network.code})`, advise(network.hint, network.topic));
  const { name, message, hint, problems = [] } = FactoryError.from(error).toJSON();
  const places = problems.map(({ path, found, allowed }) => `${path}: found ${found}; allowed: ${allowed}`);
  return failed([`${name}: ${message}`, ...places].join('; '), hint);
}

function shown(text: string): string {
  return printable(redacted(text), cellLimit);
}
