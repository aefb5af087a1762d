import { describe, expect, it } from '@jest/globals';
import { redacted } from '../../functions/http/redact.ts';

describe('redaction', () => {
  it.each([
    ['https://x.example/blob?X-Amz-Signature=5f2e&Expires=9', 'https://x.example/blob…'],
    ['sent to https://ada:horse@reg.example/v2/, in vain', 'sent to https://reg.example/v2/,… in vain'],
    ['authorization: Bearer eyJhbGciOiJSUzI1NiJ9.e30.c2ln==', 'authorization: Bearer …'],
    ['Basic YWRhOmhvcnNlLWJhdHRlcnk=', 'Basic …'],
    ['x-api-key pat.account.5f2e.S3cr3tT0ken is refused', 'x-api-key pat.… is refused'],
    ['sat.account.key.S3cr3tT0ken', 'sat.…'],
    [String.raw`{"url":"https:\/\/ada:horse@reg.example\/v2"}`, String.raw`{"url":"https:\/\/…@reg.example\/v2"}`],
    ['https://ada:ho/rse@reg.example/v2/', 'https://…@reg.example/v2/'],
    ['ftp://ada:horse@files.example', 'ftp://…@files.example'],
    ['ada:horse@reg.example/repo', '…@reg.example/repo'],
    ['PUT /blob?X-Amz-Signature=5f2e&X-Amz-Date=1 refused', 'PUT /blob?X-Amz-Signature=…&X-Amz-Date=… refused'],
    ['/blob?sig=5f2e;token=abc', '/blob?sig=…'],
  ])('hides the secret of %j', (text, shown) => {
    expect(redacted(text)).toBe(shown);
  });

  it.each([
    'https://developer.harness.io/docs/platform#keys',
    'Basic scanning is off',
    'the compat.layer of harness/ci-addon:1.18.22',
    'sha256:0123456789abcdef',
    `reg.example:5000/a/b:1@sha256:${'0'.repeat(64)}`,
    'https://registry.npmjs.example:443/@scope/name',
    'ask ada@reg.example',
  ])('leaves %j alone', (text) => {
    expect(redacted(text)).toBe(text);
  });
});
