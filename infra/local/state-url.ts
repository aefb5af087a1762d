import { FactoryError } from '../../functions/errors.ts';

/** Returns true for what is meant as an address, not as a folder. */
export function isUrl(place: string): boolean {
  return /^(?:[a-z][a-z\d+.-]+:\/\/|s3:|arn:)/i.test(place);
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html */
const bucketName = /^(?!.*\.\.)[a-z\d][a-z\d.-]{1,61}[a-z\d]$/;
/** One part of a prefix, of the characters that keys of the state have. */
const prefixPart = /^(?!\.{1,2}$)[\w.!'()%-]+$/;

/**
 * Parses `s3://BUCKET/PREFIX`. Returns the prefix with a slash at its end, or an empty one. Throws
 * `InvalidConfiguration`.
 */
export function parseStateUrl(url: string): { bucket: string; prefix: string } {
  const [, rest] = /^s3:\/\/(.*)$/is.exec(url) ?? [];
  if (rest === undefined) throw invalid(url, 'the state is a folder or an address with s3://');
  const [bucket = '', ...parts] = rest.replace(/\/$/, '').split('/');
  if (bucket === '') throw invalid(url, 'the name of the bucket is missing');
  if (!bucketName.test(bucket)) throw invalid(url, `${JSON.stringify(bucket)} cannot be the name of a bucket`);
  const wrong = parts.find((part) => !prefixPart.test(part));
  if (wrong !== undefined)
    throw invalid(
      url,
      wrong === '' ? 'the prefix has an empty part' : `the prefix has the part ${JSON.stringify(wrong)}`,
    );
  return { bucket, prefix: parts.map((part) => `${part}/`).join('') };
}

function invalid(url: string, reason: string): FactoryError {
  return new FactoryError('InvalidConfiguration', `--state ${url}: ${reason}`, {
    hint: "Write s3://BUCKET or s3://BUCKET/PREFIX. Names of buckets have lower-case letters, digits, dots and hyphens; prefixes also have _ ! ' ( ) % and capitals.",
  });
}
