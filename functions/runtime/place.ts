/** Where runs take place, as far as a hint must say it. Each text is a clause in the imperative, without a full stop. */
export interface Place {
  /** Says how to put back what was before a run. */
  restore(runId: string): string;
  /** Says how to find past runs. */
  findRuns: string;
  /** Says how to end a rollback that waits, where somebody watches it. */
  giveUp?: string;
}

/** On AWS, each run is an execution of the state machine. */
export const stateMachine: Place = {
  restore: (runId) =>
    `start an execution of the state machine with ${JSON.stringify({ action: 'restore', restore_run: runId })}`,
  findRuns:
    'list the executions of the state machine; runs that changed Harness have runs/ID/snapshot.json in its bucket',
};

/** Anywhere else, a run is a process. `options` lead the command to the state that the run used. */
export function commandLine(options: readonly string[] = []): Place {
  const command = (...words: string[]) => `run "${['factory', ...words, ...options.map(quoted)].join(' ')}"`;
  return {
    restore: (runId) => command('restore', '--run', quoted(runId)),
    findRuns: command('history'),
    giveUp: ' (press Ctrl-C twice to give up)',
  };
}

/** A word as a POSIX shell reads it. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
