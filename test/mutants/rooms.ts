import { callRooms } from './rooms/calls.ts';
import { connectionRooms } from './rooms/connections.ts';
import { loopRooms } from './rooms/loops.ts';
import type { Room } from './rooms/room.ts';
import { toolRooms } from './rooms/tools.ts';

export type { Room, Suite } from './rooms/room.ts';

/** What is mutated, and which tests are to notice. A file belongs to the first room that has it. */
export const rooms: readonly Room[] = [
  ...callRooms,
  ...loopRooms,
  ...connectionRooms,
  ...toolRooms,
];
