import { requireWhole } from '../../base/arguments.ts';
import type { Abi, StructLayout } from '../abi/abi.ts';
import { readSigned, readUnsigned, writeInteger } from '../struct.ts';
import { type Codec, socketLevel } from './codec.ts';
import type { ControlFields, SenderCredentials } from './message.ts';

// What UNIX sockets pass: descriptors and credentials.

export const FD_BYTES = 4;
const INT_MAX = 2 ** 31 - 1;
const UINT_MAX = 2 ** 32 - 1;

export const rights: Codec<ControlFields['SCM_RIGHTS']> = {
  level: socketLevel,
  types: ({ constants }) => [constants.SCM_RIGHTS],
  dataBytes: (_, { fds }) => fds.length * FD_BYTES,
  write: (_, { fds }, data) => {
    for (const [index, fd] of fds.entries()) {
      requireWhole('a descriptor', fd, 0, INT_MAX);
      data.setInt32(index * FD_BYTES, fd, true);
    }
  },
  read: (_, data) => {
    const count = Math.floor(data.byteLength / FD_BYTES);
    return { fds: Array.from({ length: count }, (_, i) => data.getInt32(i * FD_BYTES, true)) };
  },
};

/** A structure with the names of its fields for the process, the user and the group. */
interface Layout<Name extends string> {
  readonly struct: StructLayout<Name>;
  readonly pid: Name;
  readonly uid: Name;
  readonly gid: Name;
}

function credentialsCodec<Name extends string>(
  type: 'SCM_CREDENTIALS' | 'SCM_CREDS' | 'SCM_CREDS2',
  layoutOf: (abi: Abi) => Layout<Name> | null,
): Codec<SenderCredentials> {
  return {
    level: socketLevel,
    // macOS has the number of SCM_CREDS, and no header with its structure.
    types: (abi) => (layoutOf(abi) === null ? [] : [abi.constants[type]]),
    dataBytes: (abi) => layoutOf(abi)?.struct.size ?? 0,
    write: (abi, { pid, uid, gid }, data) => {
      const layout = layoutOf(abi);
      if (layout === null) return;
      const { fields } = layout.struct;
      requireWhole('the number of a process', pid, 0, INT_MAX);
      requireWhole('the number of a user', uid, 0, UINT_MAX);
      requireWhole('the number of a group', gid, 0, UINT_MAX);
      writeInteger(data, 0, fields[layout.pid], pid);
      writeInteger(data, 0, fields[layout.uid], uid);
      writeInteger(data, 0, fields[layout.gid], gid);
    },
    read: (abi, data) => {
      const layout = layoutOf(abi);
      if (layout === null || data.byteLength < layout.struct.size) return null;
      const { fields } = layout.struct;
      return {
        pid: readSigned(data, 0, fields[layout.pid]),
        uid: readUnsigned(data, 0, fields[layout.uid]),
        gid: readUnsigned(data, 0, fields[layout.gid]),
      };
    },
  };
}

export const credentials = credentialsCodec('SCM_CREDENTIALS', ({ structs: { ucred } }) =>
  ucred === undefined ? null : { struct: ucred, pid: 'pid', uid: 'uid', gid: 'gid' },
);

export const creds = credentialsCodec('SCM_CREDS', ({ structs: { cmsgcred } }) =>
  cmsgcred === undefined
    ? null
    : { struct: cmsgcred, pid: 'cmcred_pid', uid: 'cmcred_uid', gid: 'cmcred_gid' },
);

export const creds2 = credentialsCodec('SCM_CREDS2', ({ structs: { sockcred2 } }) =>
  sockcred2 === undefined
    ? null
    : { struct: sockcred2, pid: 'sc_pid', uid: 'sc_uid', gid: 'sc_gid' },
);
