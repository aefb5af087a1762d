import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { reasonText } from '../../functions/http/reason-text.ts';
import { anyText } from '../text/any-text.ts';

const json = (value: unknown) => reasonText(JSON.stringify(value), 'application/json').text;

describe('the reasons in a body', () => {
  it.each<[string, unknown, string]>([
    [
      'all errors of a registry with their details',
      {
        errors: [
          { code: 'MANIFEST_INVALID', message: 'manifest invalid', detail: { Tag: '1' } },
          { code: 'BLOB_UNKNOWN', message: 'blob unknown', detail: 'sha256:4f53' },
        ],
      },
      'MANIFEST_INVALID: manifest invalid: {"Tag":"1"}; BLOB_UNKNOWN: blob unknown: sha256:4f53',
    ],
    [
      'Artifactory',
      { errors: [{ status: 403, message: 'Artifact download is blocked' }] },
      '403: Artifact download is blocked',
    ],
    ['errors that are words', { errors: ['one', 'two'] }, 'one; two'],
    ['errors that agree', { errors: [{ message: 'no' }, { message: 'no' }] }, 'no'],
    ['OAuth', { error: 'invalid_scope', error_description: 'no such repository' }, 'invalid_scope: no such repository'],
    ['Docker’s token service', { details: 'incorrect username or password' }, 'incorrect username or password'],
    ['a gateway', { message: 'Forbidden' }, 'Forbidden'],
    ['AWS', { __type: 'AccessDeniedException', Message: 'not authorized' }, 'AccessDeniedException: not authorized'],
    [
      'Google',
      { error: { code: 403, message: 'caller lacks it', status: 'PERMISSION_DENIED' } },
      '403: caller lacks it',
    ],
    ['a problem (RFC 9457)', { title: 'Quota', detail: '10 of 10 used', status: 403 }, '403: Quota: 10 of 10 used'],
    ['Spring', { status: 404, error: 'Not Found', path: '/v2' }, 'Not Found'],
    ['JSON of an unknown form', { ok: false }, '{"ok":false}'],
  ])('include those of %s', (_, body, told) => {
    expect(json(body)).toBe(told);
  });

  it('come from the XML of storage hosts', () => {
    const body =
      '<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message><Expires>1</Expires></Error>';
    expect(reasonText(body, 'application/xml')).toMatchObject({
      text: 'AccessDenied: Request has expired',
      codes: ['AccessDenied'],
    });
  });

  it('consist of the title for a web page', () => {
    const page = '<html><head><title>\n 502 Bad &#71;ateway </title></head><body><h1>Hello</h1></body></html>';
    expect(reasonText(page, 'text/html')).toEqual({ text: 'a web page, "502 Bad Gateway"', codes: [], isPage: true });
    expect(reasonText('', 'text/html').text).toBe('a web page');
    expect(reasonText('busy', 'text/html').text).toBe('busy');
  });

  it('exclude the secrets that were sent', () => {
    const body = JSON.stringify({
      errors: [{ code: 'c0ffee-token', message: 'token c0ffee-token', detail: ['c0ffee-token'] }],
    });
    expect(reasonText(body, undefined, ['c0ffee-token', '']).text).not.toContain('c0ffee');
    // Escapes hide a secret only until they are parsed.
    expect(reasonText('{"message":"\\u00630ffee-token"}', undefined, ['c0ffee-token']).text).toBe('[redacted]');
  });

  it('form one bounded line of visible characters for any body', () => {
    const body = fc.oneof(
      anyText({ maxLength: 2_000 }),
      fc.json(),
      fc.record({ errors: fc.array(fc.record({ code: anyText(), detail: fc.anything() })) }).map((value) => {
        try {
          return JSON.stringify(value);
        } catch {
          return '';
        }
      }),
    );
    fc.assert(
      fc.property(body, fc.constantFrom(undefined, 'text/html', 'application/json'), (text, type) => {
        const reason = reasonText(text, type);
        expect(reason.text).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
        expect(reason.text.length).toBeLessThanOrEqual(600);
      }),
    );
  });
});
