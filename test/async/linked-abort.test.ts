import { getEventListeners } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { linkedAbort } from '../../functions/async/linked-abort.ts';

describe('a linked controller', () => {
  it('aborts when the outer signal does, with the same reason', () => {
    const outer = new AbortController();
    using linked = linkedAbort(outer.signal);
    outer.abort(new Error('the run was interrupted'));
    expect(linked.signal.reason).toEqual(new Error('the run was interrupted'));
  });

  it('starts aborted when the outer signal is aborted already', () => {
    using linked = linkedAbort(AbortSignal.abort(new Error('too late')));
    expect(linked.signal.reason).toEqual(new Error('too late'));
  });

  it('aborts alone, and keeps its own reason when the outer signal follows', () => {
    const outer = new AbortController();
    using linked = linkedAbort(outer.signal);
    linked.abort(new Error('no headers'));
    expect(outer.signal.aborted).toBe(false);
    outer.abort(new Error('interrupted'));
    expect(linked.signal.reason).toEqual(new Error('no headers'));
  });

  it('needs no outer signal', () => {
    using linked = linkedAbort(undefined);
    expect(linked.signal.aborted).toBe(false);
    linked.abort();
    expect(linked.signal.aborted).toBe(true);
  });

  it('leaves nothing at the outer signal when it is disposed of, and no longer aborts with it', () => {
    const outer = new AbortController();
    const linked = linkedAbort(outer.signal);
    expect(getEventListeners(outer.signal, 'abort')).toHaveLength(1);
    linked[Symbol.dispose]();
    expect(getEventListeners(outer.signal, 'abort')).toHaveLength(0);
    outer.abort();
    expect(linked.signal.aborted).toBe(false);
  });
});
