import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Execution } from '../../functions/aws/executions.ts';
import { startOnce } from '../../functions/webhook/start-once.ts';
import { anyText } from '../text/any-text.ts';

const minutes = 60_000;

/** Step Functions as far as it matters here: a name is good for one execution, which begins at `now`. */
function scene() {
  const executions = new Map<string, Execution>();
  const state = { now: 0, lookups: 0 };
  const byName = {
    start: async (name: string, input: string) => {
      if (executions.has(name)) return false;
      executions.set(name, { status: 'SUCCEEDED', startedAt: new Date(state.now), output: input });
      return true;
    },
    find: async (name: string) => {
      state.lookups++;
      return executions.get(name);
    },
  };
  const start = async (delivery: { input?: object; id?: string }, at: number, caller?: string) => {
    state.now = at;
    return startOnce({ input: {}, id: undefined, ...delivery }, caller, byName, at);
  };
  return {
    state,
    executions,
    start,
    deliver: async (...delivery: Parameters<typeof start>) => (await start(...delivery)).runId,
  };
}

describe('a delivery with an id', () => {
  it('starts one run, whenever it comes again', async () => {
    const { deliver, executions } = scene();
    const first = await deliver({ id: 'a' }, 0);
    expect(await deliver({ id: 'a' }, 30 * minutes)).toBe(first);
    expect(await deliver({ id: 'a' }, 60 * 24 * minutes)).toBe(first);
    expect(executions.size).toBe(1);
  });

  it('gets the execution that it started before, and none when it starts one', async () => {
    const { start, executions, state } = scene();
    const { runId, execution } = await start({ id: 'a' }, 0);
    expect(execution).toBeUndefined();
    expect(state.lookups).toBe(0);
    expect(await start({ id: 'a' }, 1)).toEqual({ runId, execution: executions.get(runId) });
  });

  it('has the caller in the input of the run, and starts no second run for another caller', async () => {
    const { deliver, executions } = scene();
    const first = await deliver({ id: 'a', input: { action: 'plan' } }, 0, 'arn:one');
    expect(await deliver({ id: 'a', input: { action: 'plan' } }, 1, 'arn:other')).toBe(first);
    expect([...executions.values()].map(({ output }) => output)).toEqual(['{"action":"plan","started_by":"arn:one"}']);
  });

  it('starts another run with another id, or another input', async () => {
    const { deliver } = scene();
    const runs = [
      await deliver({ id: 'a' }, 0),
      await deliver({ id: 'b' }, 0),
      await deliver({ id: 'a', input: { action: 'plan' } }, 0),
      await deliver({}, 0),
    ];
    expect(new Set(runs).size).toBe(4);
  });

  it('gives names that Step Functions takes, whatever the id is', async () => {
    await fc.assert(
      fc.asyncProperty(anyText(), async (id) => {
        expect(await scene().deliver({ id }, 0)).toMatch(/^[A-Za-z0-9][A-Za-z0-9_-]{0,79}$/);
      }),
    );
  });
});

describe('a delivery without an id', () => {
  it('starts one run with what comes again within ten minutes, wherever the clock stands', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(1_000 * minutes),
        fc.array(fc.nat(10 * minutes - 1), { maxLength: 5 }),
        async (start, delays) => {
          const { deliver, executions } = scene();
          await deliver({}, start);
          for (const delay of delays.toSorted((a, b) => a - b)) await deliver({}, start + delay);
          expect(executions.size).toBe(1);
        },
      ),
    );
  });

  it('starts another run ten minutes later, and the next day', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(1_000 * minutes), fc.integer({ min: 10, max: 2_000 }), async (start, later) => {
        const { deliver } = scene();
        const first = await deliver({}, start);
        expect(await deliver({}, start + later * minutes)).not.toBe(first);
      }),
    );
  });

  it('starts another run with another input', async () => {
    const { deliver } = scene();
    expect(await deliver({ input: { action: 'plan' } }, 0)).not.toBe(await deliver({ input: { action: 'sync' } }, 0));
  });
});
