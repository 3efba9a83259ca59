import { changeGroup, type GroupOptions, writeMulticastInterface } from '../../socket/multicast.ts';
import { readNamed, writeNamed } from '../../socket/options/calls.ts';
import type {
  GettableOptionName,
  OptionValue,
  SettableOptionName,
} from '../../socket/options/table.ts';
import type { Sys } from '../../sys/sys.ts';
import type { DatagramAddress } from './datagram-address.ts';

/** The options of a socket of datagrams, and its groups of multicast. */
export abstract class DatagramOptionCalls {
  /** Where it is bound, with the port that was chosen for port 0. */
  abstract readonly address: DatagramAddress;
  /** The descriptor, which stays the socket's; -1 once it is closed. */
  abstract get fd(): number;
  protected abstract readonly sys: Sys;

  /**
   * getsockopt(2).
   *
   * @param name the name of the option: `SO_RCVBUF`.
   * @returns its value.
   * @throws SysError if the kernel refuses, `EBADF` on a closed socket.
   * @throws RangeError if the platform lacks the option, TypeError for a name that is none.
   */
  getSockOpt<Name extends GettableOptionName>(name: Name): OptionValue<Name> {
    return readNamed(this.sys, this.fd, name);
  }

  /**
   * setsockopt(2).
   *
   * @param name the name of the option: `IP_MULTICAST_TTL`.
   * @param value its value.
   * @throws SysError if the kernel refuses, `EBADF` on a closed socket.
   * @throws RangeError or TypeError for a wrong value, and as {@link getSockOpt}.
   */
  setSockOpt<Name extends SettableOptionName>(name: Name, value: OptionValue<Name>): void {
    writeNamed(this.sys, this.fd, name, value);
  }

  /**
   * Receives what is sent to a multicast group, and to the port of the socket: bind it to all
   * interfaces (`0.0.0.0`, `::`) or to the group.
   *
   * @param group the address of the group: `239.1.2.3`, `ff02::1:2`.
   * @param options the interface, and the only sender that counts.
   * @throws SysError `ENODEV` (no interface, or no route to the group), `EADDRINUSE` (it is joined
   *   already), `ENOBUFS` (too many groups), ...; `EBADF` on a closed socket.
   * @throws RangeError for an address that is no group, an unknown interface; TypeError for a wrong
   *   type.
   */
  joinGroup(group: string, options: GroupOptions = {}): void {
    changeGroup(this.sys, this.fd, 'join', group, options);
  }

  /**
   * Takes {@link joinGroup} back.
   *
   * @param group the group.
   * @param options the interface and the sender that it was joined with.
   * @throws SysError `EADDRNOTAVAIL` (it was not joined so), ...
   * @throws RangeError or TypeError as {@link joinGroup}.
   */
  leaveGroup(group: string, options: GroupOptions = {}): void {
    changeGroup(this.sys, this.fd, 'leave', group, options);
  }

  /**
   * The interface that multicasts leave by. How far they go, and whether this machine hears them
   * too, are options: IP_MULTICAST_TTL, IP_MULTICAST_LOOP, IPV6_MULTICAST_HOPS,
   * IPV6_MULTICAST_LOOP.
   *
   * @param on its name or its index, 0 for any; of IPv4 also one of its addresses.
   * @throws SysError `ENODEV`, `EADDRNOTAVAIL`, ...
   * @throws RangeError for an unknown interface, or a UNIX socket; TypeError for a wrong type.
   */
  setMulticastInterface(on: string | number): void {
    const { family } = this.address;
    if (family === 'UNIX') throw new RangeError('a UNIX socket has no multicast');
    writeMulticastInterface(this.sys, this.fd, family, on);
  }
}
