import { describe, expect, it } from '@jest/globals';
import { deadlineMs, pauseMs } from '../../functions/copy/build.ts';
import { parseImageName } from '../../functions/oci/spec/reference.ts';
import { checkCopies, checkTargetNames } from '../../functions/plan/limits.ts';

const images = ['harness/ci-addon:1.18.22', 'plugins/cache:1'].map(parseImageName);
const longest = 'harness/ci-addon'.length;
const location = (length: number) => ({ registry: 'registry.acme.com:5000', prefix: 'p'.repeat(length) });

describe('the names of repositories at the target', () => {
  it('allows repository names of 255 characters including the prefix', () => {
    expect(() => checkTargetNames(images, location(255 - longest - 1))).not.toThrow();
    expect(() => checkTargetNames(images, { registry: 'registry.acme.com', prefix: '' })).not.toThrow();
    expect(() => checkTargetNames([], location(255))).not.toThrow();
  });

  it('refuses longer names before any request, with the setting and its limit', () => {
    const long = location(255 - longest + 2);
    expect(() => checkTargetNames(images, long)).toThrow(
      expect.objectContaining({
        name: 'InvalidInput',
        hint: expect.stringContaining('Shorten the prefix of registry (REGISTRY_NAME) by 3 characters'),
        problems: [
          {
            path: '$.registry',
            found: `${long.registry}/${long.prefix}`,
            allowed: `a prefix of at most ${255 - longest - 1} characters`,
          },
        ],
      }),
    );
  });
});

describe('the copies of a run', () => {
  const wave = (size: number) => Array.from({ length: size }, (_, i) => i);
  it('allows 1000 copies over all waves', () => {
    expect(() => checkCopies([wave(400), wave(600)])).not.toThrow();
    expect(() => checkCopies([wave(400), wave(601)])).toThrow(
      expect.objectContaining({ name: 'InvalidInput', message: expect.stringContaining('1001 images') }),
    );
  });

  it('says how to divide more of them', () => {
    expect(() => checkCopies([wave(1_001)])).toThrow(
      expect.objectContaining({ hint: expect.stringMatching(/^Divide extra_images, .* docs\/scale\.md\./) }),
    );
  });

  const stateMachine = 'arn:aws:states:eu-west-1:123456789012:stateMachine:builder';
  it('limits builds by a state machine to 100, and builds by a function like copies', () => {
    const lambda = 'arn:aws:lambda:eu-west-1:123456789012:function:builder:live';
    expect(() => checkCopies([wave(100)], stateMachine)).not.toThrow();
    expect(() => checkCopies([wave(1_000)], lambda)).not.toThrow();
    expect(() => checkCopies([wave(60), wave(41)], stateMachine)).toThrow(
      expect.objectContaining({
        name: 'InvalidInput',
        message: expect.stringMatching(/101 images .* can build at most 100$/),
      }),
    );
  });

  it('keeps the longest possible builds within the history of an execution', () => {
    let looks = 0;
    for (let elapsed = 0; elapsed <= deadlineMs; elapsed += pauseMs(elapsed)) looks += 1;
    // Events of an inline Map's item with its task, choice and end; and of one more choice, pause and task.
    const events = 11 + 9 * looks;
    expect(looks).toBeGreaterThan(10);
    expect(100 * events).toBeLessThan(25_000 * 0.8);
    // A build of minutes is not left waiting for long.
    expect(pauseMs(0)).toBe(10_000);
    expect(pauseMs(180_000)).toBe(90_000);
  });
});
