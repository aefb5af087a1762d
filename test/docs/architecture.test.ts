import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { diagramOf, withWorkflow, workflowPath } from './reference/workflow.ts';

const page = readFileSync(join(import.meta.dirname, '../..', workflowPath), 'utf8');

describe('the diagram of the workflow', () => {
  it('matches the output of `npm run docs:reference`', () => {
    expect(page).toContain('flowchart TD');
    expect(withWorkflow(page)).toBe(page);
  });

  it('leads through choices and pauses, and labels the paths', () => {
    const state = (more: object) => ({ Type: 'Task', ...more });
    const pause = { Type: 'Wait', Next: 'Work' };
    const choice = {
      Type: 'Choice',
      Choices: [
        { Variable: '$.status', StringEquals: 'continue', Next: 'Pause' },
        { Variable: '$.run.more', BooleanEquals: true, Next: 'MoreWork' },
      ],
      Default: 'Report',
    };
    const States = {
      Work: state({ Next: 'Which', Catch: [{ Next: 'Report' }] }),
      Which: choice,
      Pause: pause,
      MoreWork: state({ Next: 'Report', Catch: [{ Next: 'Undo' }] }),
      Undo: state({ Next: 'Report' }),
      Report: state({ Next: 'Done' }),
      Done: { Type: 'Succeed' },
    };
    expect(diagramOf({ StartAt: 'Work', States }).split('\n')).toEqual([
      'flowchart TD',
      '  Work["Work"]',
      '  Work -->|more| MoreWork',
      '  Work --> Report',
      '  MoreWork["More work"]',
      '  MoreWork --> Report',
      '  MoreWork -.-> Undo',
      '  Report["Report"]',
      '  Report --> Done',
      '  Undo["Undo"]',
      '  Undo --> Report',
      '  Done(["Done"])',
    ]);
  });

  it('refuses a definition that names a missing state, or a type that it cannot draw', () => {
    expect(() => diagramOf({ StartAt: 'None', States: {} })).toThrow('no state None');
    expect(() => diagramOf({ StartAt: 'A', States: { A: { Type: 'Parallel' } } })).toThrow('of type Parallel');
  });
});
