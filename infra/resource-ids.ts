import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { proxyFor } from '../functions/http/proxy.ts';
import { list, tagsOf } from '../functions/settings/configuration.ts';

/** The numbers of days for which CloudWatch Logs can keep a log. */
export const retentions = Object.values(RetentionDays)
  .filter((days) => typeof days === 'number')
  .filter((days) => days !== RetentionDays.INFINITE);

export function idOf(kind: string): RegExp {
  return new RegExp(`^${kind}-[0-9a-f]{8,17}$`);
}

/** Matches the ARN of a resource that belongs to an account and a region. */
export function arnOf(service: string, resource: string): RegExp {
  return new RegExp(`^arn:aws[a-z-]*:${service}:[a-z0-9-]+:\\d{12}:${resource}$`);
}

/** Subnets by their ids, or by a tag. */
export type Subnets = { readonly ids: readonly string[] } | { readonly tag: string; readonly value: string };

export function subnets(text: string): Subnets {
  const ids = list(text);
  if (ids.every((id) => idOf('subnet').test(id))) return { ids };
  const [tag, value, ...others] = Object.entries(tagsOf(text)).flat();
  if (tag === undefined || !value || others.length > 0) throw new TypeError();
  return { tag, value };
}

/** Accepts the address of a proxy, with its scheme. */
export function proxyUrl(text: string): string {
  if (!/^https?:\/\//.test(text)) throw new TypeError();
  proxyFor(new URL('https://host.invalid'), { HTTPS_PROXY: text });
  return text;
}
