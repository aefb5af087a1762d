/**
 * Signals that interrupt a run. On Windows, they are also Ctrl+Break and a closed console, which leaves ten seconds.
 * Elsewhere, SIGHUP keeps its own effect, so that `nohup` works.
 */
export function interruptions(platform: NodeJS.Platform = process.platform): readonly NodeJS.Signals[] {
  return platform === 'win32' ? ['SIGINT', 'SIGTERM', 'SIGBREAK', 'SIGHUP'] : ['SIGINT', 'SIGTERM'];
}

/** Calls `listener` at each of these signals, until the returned function is called. */
export function onInterruption(listener: (name: NodeJS.Signals) => void): () => void {
  const names = interruptions();
  for (const name of names) process.on(name, listener);
  return () => {
    for (const name of names) process.off(name, listener);
  };
}
