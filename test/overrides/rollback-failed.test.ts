import { describe, expect, it } from '@jest/globals';
import { mayDiffer, rollbackFailed } from '../../functions/overrides/rollback-failed.ts';
import { stateMachine } from '../../functions/runtime/place.ts';
import { change, setStage } from '../tasks/stage.ts';

const { runtime, documents } = setStage({ place: stateMachine });
const field = change('addonTag', 'registry.example/mirror/addon:2');

describe('a field whose value is not known', () => {
  it.each([
    [mayDiffer(field, 'addon:1'), 'ci K8 addonTag may not be addon:1: the run wrote registry.example/mirror/addon:2'],
    [mayDiffer(change('addonTag', null), null), 'ci K8 addonTag may not be unset: the run wrote no override'],
    [mayDiffer(field, 'addon:1', true), 'ci K8 addonTag was written, not checked: it may not be addon:1'],
    [mayDiffer(field, null, true), 'ci K8 addonTag was written, not checked: it may not be unset'],
  ])('describes a field by the value that it should have: %s', (text, expected) => {
    expect(text).toBe(expected);
  });
});

describe('a rollback that failed', () => {
  const unknown = mayDiffer(field, null);
  const unchecked = mayDiffer(field, null, true);
  const messageOf = (left: string[], reason = 'Harness is away') =>
    rollbackFailed(documents, { left, reason }, runtime);

  it.each([
    ['nothing that could be read', [unknown], 'these fields could not be put back (Harness is away): '],
    ['old values that were all written', [unchecked], 'the old values of these fields were written, not checked ('],
    ['some that were written', [unchecked, unknown], 'these fields could not be put back (Harness is away): '],
  ])('names the fields that are left: %s', (_, left, beginning) => {
    const { message } = messageOf(left);
    expect(message.startsWith(beginning)).toBe(true);
    expect(message.endsWith(`: ${left.join('; ')}`)).toBe(true);
  });

  it('gives no reason where there is none', () => {
    expect(messageOf([unknown], '').message).toBe(`these fields could not be put back: ${unknown}`);
  });

  it('reports fields that were put back but may have changed since', () => {
    expect(messageOf([]).message).toBe('every field was put back, but may have changed since (Harness is away)');
  });

  it('hints at the command that restores in the place of the run, and keeps the cause', () => {
    const cause = new Error('ECONNREFUSED');
    const error = rollbackFailed(documents, { left: [unknown], reason: '' }, runtime, cause);
    expect(error).toMatchObject({ name: 'RollbackFailed', cause });
    expect(error.hint).toBe(
      `When Harness responds again, ${stateMachine.restore('run-1')}. The snapshot is memory:runs/run-1/snapshot.json.`,
    );
  });
});
