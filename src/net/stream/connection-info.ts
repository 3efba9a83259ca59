import { readNamed } from '../../socket/options/calls.ts';
import type { TcpInfo } from '../../socket/options/spec.ts';
import type { TcpMeaning, TcpState } from '../../sys/abi/abi.ts';
import type { Sys } from '../../sys/sys.ts';

/**
 * What the kernel knows of a TCP connection, with the unit at the end of each name: `TCP_INFO` of
 * Linux and FreeBSD, `TCP_CONNECTION_INFO` of macOS. What a kernel does not tell is null.
 */
export interface ConnectionInfo {
  /** The state of RFC 9293, in small letters. */
  readonly state: TcpState;
  /** The round-trip time, smoothed. */
  readonly rttUs: number;
  /** How much it varies: its mean deviation. */
  readonly rttVarUs: number;
  /** The shortest round-trip time of the last minutes: Linux. */
  readonly minRttUs: number | null;
  /** After how long without an acknowledgement the kernel sends again. */
  readonly retransmitTimeoutUs: number;
  /** The largest segment that it sends. */
  readonly segmentBytes: number;
  /** The congestion window: what may be on its way. */
  readonly cwndSegments: number;
  /** The window that the peer has announced; on Linux since 5.4. */
  readonly peerWindowBytes: number | null;
  /** Segments sent again so far. */
  readonly retransmitsTotal: number;
  /** Segments sent and not acknowledged: Linux. */
  readonly unackedSegments: number | null;
  /** Of those, the ones that are believed lost: Linux. */
  readonly lostSegments: number | null;
  /** Bytes in the kernel's queue that it has not sent yet: Linux. */
  readonly notSentBytes: number | null;
  /** Payload sent, with what was sent again: Linux since 4.19, macOS. */
  readonly sentBytes: number | null;
  /** Payload sent again: Linux since 4.19, macOS. */
  readonly retransmittedBytes: number | null;
  /** Payload received: Linux, macOS. */
  readonly receivedBytes: number | null;
  /** At which rate the peer got bytes lately, 0 before there was any: Linux. */
  readonly sendRateBytesPerSecond: number | null;
  /** The rate at which the kernel paces what it sends, Infinity for any: Linux. */
  readonly pacingRateBytesPerSecond: number | null;
  /** For how long it had something to send: Linux. */
  readonly busyUs: number | null;
  /** For how long of this time it waited for the peer's window: Linux. */
  readonly peerWindowLimitedUs: number | null;
  /** For how long of this time it waited for room in the send buffer: Linux. */
  readonly sendBufferLimitedUs: number | null;
}

/** The information on a socket of a group; null without TCP, and for -1. Throws a SysError. */
export function connectionInfo(
  { tcp, loop }: { readonly tcp: boolean; readonly loop: { readonly sys: Sys } },
  fd: number,
): ConnectionInfo | null {
  if (!tcp || fd < 0) return null;
  const { abi } = loop.sys;
  return infoOf(readNamed(loop.sys, fd, abi.tcp.option), abi.tcp);
}

function infoOf(info: TcpInfo, { states, usPerTime, windowInBytes }: TcpMeaning): ConnectionInfo {
  const timeUs = (ticks = 0): number => ticks * usPerTime;
  const segmentBytes = info.tcpi_snd_mss ?? info.tcpi_maxseg ?? 0;
  const { tcpi_snd_cwnd: cwnd = 0 } = info;
  const retransmits = info.tcpi_total_retrans ?? info.tcpi_snd_rexmitpack;
  return {
    state: states[info.tcpi_state ?? 0] ?? 'closed',
    rttUs: timeUs(info.tcpi_srtt ?? info.tcpi_rtt),
    rttVarUs: timeUs(info.tcpi_rttvar),
    minRttUs: info.tcpi_min_rtt ?? null,
    retransmitTimeoutUs: timeUs(info.tcpi_rto),
    segmentBytes,
    cwndSegments: windowInBytes ? Math.floor(cwnd / Math.max(1, segmentBytes)) : cwnd,
    peerWindowBytes: info.tcpi_snd_wnd ?? null,
    retransmitsTotal: retransmits ?? info.tcpi_txretransmitpackets ?? 0,
    unackedSegments: info.tcpi_unacked ?? null,
    lostSegments: info.tcpi_lost ?? null,
    notSentBytes: info.tcpi_notsent_bytes ?? null,
    sentBytes: info.tcpi_bytes_sent ?? info.tcpi_txbytes ?? null,
    retransmittedBytes: info.tcpi_bytes_retrans ?? info.tcpi_txretransmitbytes ?? null,
    receivedBytes: info.tcpi_bytes_received ?? info.tcpi_rxbytes ?? null,
    sendRateBytesPerSecond: info.tcpi_delivery_rate ?? null,
    pacingRateBytesPerSecond: unlimited(info.tcpi_pacing_rate),
    busyUs: info.tcpi_busy_time ?? null,
    peerWindowLimitedUs: info.tcpi_rwnd_limited ?? null,
    sendBufferLimitedUs: info.tcpi_sndbuf_limited ?? null,
  };
}

/** The highest number stands for no limit. */
function unlimited(rate: number | undefined): number | null {
  if (rate === undefined) return null;
  return rate >= 2 ** 64 - 2 ** 11 ? Number.POSITIVE_INFINITY : rate;
}
