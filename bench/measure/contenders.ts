import type { ServerFacts } from './document.ts';
import { peers, reference } from './peers.ts';
import type { Missing } from './results.ts';
import { AGAIN, type Contender, contenderOf, type Programs, REFERENCE } from './servers.ts';

/** The servers of a run, made ready: built, installed, or missing with a reason. */

export interface Prepared {
  /** The reference is the first one. */
  readonly contenders: readonly Contender[];
  readonly facts: readonly ServerFacts[];
  readonly missing: readonly (Missing & { readonly title: string })[];
}

/**
 * Makes the reference ready, then the peers that `names` names, then the caller's servers. `told`
 * is called before each of them: some are compiled or installed, which takes a while.
 */
export async function prepareAll(
  names: readonly string[],
  servers: readonly string[],
  programs: Programs,
  told: (words: string) => void,
): Promise<Prepared> {
  const contenders: Contender[] = [];
  const facts: ServerFacts[] = [];
  const missing: (Missing & { title: string })[] = [];
  for (const { name, title, prepare } of [
    reference,
    ...peers.filter((peer) => names.includes(peer.name)),
  ]) {
    told(`making ready: ${title}`);
    const prepared = await prepare(programs);
    if ('reason' in prepared) {
      if (name === REFERENCE) throw new Error(`cannot measure without ${name}: ${prepared.reason}`);
      missing.push({ name, title, reason: prepared.reason });
      continue;
    }
    const { command, version } = prepared;
    contenders.push({ name, command });
    facts.push({ name, title, version });
    if (name !== REFERENCE || !names.includes(AGAIN)) continue;
    contenders.push({ name: AGAIN, command });
    facts.push({ name: AGAIN, title: `${title}, again`, version });
  }
  for (const spec of servers) {
    const contender = contenderOf(spec, programs);
    contenders.push(contender);
    facts.push({
      name: contender.name,
      title: contender.name,
      version: contender.command.join(' '),
    });
  }
  return { contenders, facts, missing };
}
