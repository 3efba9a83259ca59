import type { ProxyHeader } from '../../framing/proxy-header.ts';
import type { Loop } from '../../loop/loop.ts';
import { readNamed, writeNamed } from '../../socket/options/calls.ts';
import type {
  GettableOptionName,
  OptionValue,
  SettableOptionName,
} from '../../socket/options/table.ts';
import { type ConnectionInfo, connectionInfo } from './connection-info.ts';

/** What the kernel tells of the socket of a connection, and its options. */
export abstract class SocketFacts {
  abstract readonly fd: number;
  abstract readonly loop: Loop;
  protected abstract readonly isTcp: boolean;
  /** The kernel has reported `errno`, which it does once. */
  protected abstract broken(errno: number): void;

  /** None, unless guards read one. */
  get proxy(): ProxyHeader | null {
    return null;
  }

  info(): ConnectionInfo | null {
    return connectionInfo({ loop: this.loop, tcp: this.isTcp }, this.fd);
  }

  getSockOpt<Name extends GettableOptionName>(optionName: Name): OptionValue<Name> {
    const value = readNamed(this.loop.sys, this.fd, optionName);
    // Reading SO_ERROR clears it; the next receive would look like an end.
    if (optionName === 'SO_ERROR' && typeof value === 'number' && value !== 0) this.broken(value);
    return value;
  }

  setSockOpt<Name extends SettableOptionName>(optionName: Name, value: OptionValue<Name>): void {
    writeNamed(this.loop.sys, this.fd, optionName, value);
  }
}
