import { shellWord } from '../text/shell-word.ts';

/** The place of runs, as hints describe it. Each text is a clause in the imperative, without a full stop. */
export interface Place {
  /** Returns the clause that restores the configuration from before a run. */
  restore(runId: string): string;
  /** The command that does, where there is one. */
  restoreCommand?: (runId: string) => string;
  findRuns: string;
  /** The clause that ends a waiting rollback, where a person watches it. */
  giveUp?: string;
}

/** On AWS, each run is an execution of the state machine. */
export const stateMachine: Place = {
  restore: (runId) =>
    `start an execution of the state machine with ${JSON.stringify({ action: 'restore', restore_run: runId })}`,
  findRuns:
    'list the executions of the state machine; runs that changed Harness have runs/ID/snapshot.json in its bucket',
};

/** Anywhere else, a run is a process. `options` point the command to the state that the run used. */
export function commandLine(options: readonly string[] = []): Place {
  const command = (...words: string[]) => ['factory', ...words, ...options.map(shellWord)].join(' ');
  const restoreCommand = (runId: string) => command('restore', '--run', shellWord(runId));
  return {
    restore: (runId) => `run "${restoreCommand(runId)}"`,
    restoreCommand,
    findRuns: `run "${command('history')}"`,
    giveUp: ' (press Ctrl-C twice to give up)',
  };
}
