import type { RestartObserver } from '../../echo/restart.ts';
import { logOut, printError } from '../../terminal/output.ts';

/** What a server says of its restarts: lines for people, or JSON documents. */
export function restartLog(isJson: boolean, drainMs: number): RestartObserver {
  if (isJson) {
    const event = (name: string, facts: object): void =>
      logOut(JSON.stringify({ event: name, ...facts }));
    return {
      starting: () => event('restarting', {}),
      handedOver: (pid) => event('handedOver', { pid, drainMs }),
      failed: ({ message }) => event('restartFailed', { failure: { message } }),
      refused: (reason) => event('restartRefused', { reason }),
      unheard: ({ message }) => event('notifyFailed', { failure: { message } }),
    };
  }
  const say = (words: string): void => printError(`sockloop: ${words}`);
  return {
    starting: () => say('SIGUSR2: starting a successor'),
    handedOver: (pid) =>
      say(`process ${pid} serves; connections of this one have ${drainMs / 1000} s to end`),
    failed: ({ message }) => say(`${message}; this process goes on`),
    refused: (reason) => say(`SIGUSR2: no restart: ${reason}`),
    unheard: ({ message }) => say(message),
  };
}
