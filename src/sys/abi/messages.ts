import type { StructLayout } from './abi.ts';

// What sendmsg(2) and recvmsg(2) carry beside the bytes, and groups of multicast: the part of the
// tables that datagrams need. One that a platform lacks is absent.

/** Constants of datagrams that every platform has. */
export type MessageConstantName =
  | 'SOCK_SEQPACKET'
  | 'IPPROTO_UDP'
  | 'MSG_EOR'
  | 'SCM_TIMESTAMP'
  | 'IP_TTL'
  | 'IP_TOS'
  | 'IP_RECVTTL'
  | 'IP_RECVTOS'
  | 'IPV6_PKTINFO'
  | 'IPV6_HOPLIMIT'
  | 'IPV6_TCLASS'
  | 'MCAST_JOIN_GROUP'
  | 'MCAST_LEAVE_GROUP'
  | 'MCAST_JOIN_SOURCE_GROUP'
  | 'MCAST_LEAVE_SOURCE_GROUP';

/** Constants of datagrams that some platforms lack. */
export type OptionalMessageConstantName =
  | 'IPPROTO_MPTCP'
  | 'MSG_ERRQUEUE'
  | 'SCM_CREDENTIALS'
  | 'SCM_CREDS'
  | 'SCM_CREDS2'
  | 'SCM_TIMESTAMPNS'
  | 'SCM_REALTIME'
  | 'SCM_MONOTONIC'
  | 'SO_RXQ_OVFL'
  | 'IP_PKTINFO'
  | 'IP_RECVDSTADDR'
  | 'IP_SENDSRCADDR'
  | 'IP_RECVERR'
  | 'IPV6_RECVERR'
  | 'UDP_SEGMENT'
  | 'UDP_GRO'
  | 'SO_EE_ORIGIN_NONE'
  | 'SO_EE_ORIGIN_LOCAL'
  | 'SO_EE_ORIGIN_ICMP'
  | 'SO_EE_ORIGIN_ICMP6'
  | 'SO_EE_ORIGIN_TIMESTAMPING'
  | 'SO_EE_ORIGIN_ZEROCOPY'
  | 'SO_EE_ORIGIN_TXTIME';

/** The structures of many messages, of control messages and of multicast. */
export interface MessageStructs {
  /** Linux and FreeBSD. */
  readonly mmsghdr?: StructLayout<'msg_hdr' | 'msg_len'>;
  readonly in_pktinfo?: StructLayout<'ipi_ifindex' | 'ipi_spec_dst' | 'ipi_addr'>;
  readonly in6_pktinfo: StructLayout<'ipi6_addr' | 'ipi6_ifindex'>;
  readonly ip_mreqn: StructLayout<'imr_multiaddr' | 'imr_address' | 'imr_ifindex'>;
  readonly ip_mreq_source: StructLayout<'imr_multiaddr' | 'imr_interface' | 'imr_sourceaddr'>;
  readonly ipv6_mreq: StructLayout<'ipv6mr_multiaddr' | 'ipv6mr_interface'>;
  readonly group_req: StructLayout<'gr_interface' | 'gr_group'>;
  readonly group_source_req: StructLayout<'gsr_interface' | 'gsr_group' | 'gsr_source'>;
  readonly sock_extended_err?: StructLayout<
    'ee_errno' | 'ee_origin' | 'ee_type' | 'ee_code' | 'ee_info' | 'ee_data'
  >;
  readonly cmsgcred?: StructLayout<'cmcred_pid' | 'cmcred_uid' | 'cmcred_gid'>;
  readonly sockcred2?: StructLayout<'sc_pid' | 'sc_uid' | 'sc_gid'>;
}

/** Linux. */
export const linuxMessages = {
  constants: {
    SOCK_SEQPACKET: 5,
    IPPROTO_UDP: 17,
    MSG_EOR: 128,
    SCM_TIMESTAMP: 29,
    IP_TTL: 2,
    IP_TOS: 1,
    IP_RECVTTL: 12,
    IP_RECVTOS: 13,
    IPV6_PKTINFO: 50,
    IPV6_HOPLIMIT: 52,
    IPV6_TCLASS: 67,
    MCAST_JOIN_GROUP: 42,
    MCAST_LEAVE_GROUP: 45,
    MCAST_JOIN_SOURCE_GROUP: 46,
    MCAST_LEAVE_SOURCE_GROUP: 47,
    IPPROTO_MPTCP: 262,
    MSG_ERRQUEUE: 8192,
    SCM_CREDENTIALS: 2,
    SCM_TIMESTAMPNS: 35,
    SO_RXQ_OVFL: 40,
    IP_PKTINFO: 8,
    IP_RECVERR: 11,
    IPV6_RECVERR: 25,
    UDP_SEGMENT: 103,
    UDP_GRO: 104,
    SO_EE_ORIGIN_NONE: 0,
    SO_EE_ORIGIN_LOCAL: 1,
    SO_EE_ORIGIN_ICMP: 2,
    SO_EE_ORIGIN_ICMP6: 3,
    SO_EE_ORIGIN_TIMESTAMPING: 4,
    SO_EE_ORIGIN_ZEROCOPY: 5,
    SO_EE_ORIGIN_TXTIME: 6,
  },
  structs: {
    mmsghdr: {
      size: 64,
      fields: {
        msg_hdr: { offset: 0, size: 56 },
        msg_len: { offset: 56, size: 4 },
      },
    },
    in_pktinfo: {
      size: 12,
      fields: {
        ipi_ifindex: { offset: 0, size: 4 },
        ipi_spec_dst: { offset: 4, size: 4 },
        ipi_addr: { offset: 8, size: 4 },
      },
    },
    in6_pktinfo: {
      size: 20,
      fields: {
        ipi6_addr: { offset: 0, size: 16 },
        ipi6_ifindex: { offset: 16, size: 4 },
      },
    },
    ip_mreqn: {
      size: 12,
      fields: {
        imr_multiaddr: { offset: 0, size: 4 },
        imr_address: { offset: 4, size: 4 },
        imr_ifindex: { offset: 8, size: 4 },
      },
    },
    ip_mreq_source: {
      size: 12,
      fields: {
        imr_multiaddr: { offset: 0, size: 4 },
        imr_interface: { offset: 4, size: 4 },
        imr_sourceaddr: { offset: 8, size: 4 },
      },
    },
    ipv6_mreq: {
      size: 20,
      fields: {
        ipv6mr_multiaddr: { offset: 0, size: 16 },
        ipv6mr_interface: { offset: 16, size: 4 },
      },
    },
    group_req: {
      size: 136,
      fields: {
        gr_interface: { offset: 0, size: 4 },
        gr_group: { offset: 8, size: 128 },
      },
    },
    group_source_req: {
      size: 264,
      fields: {
        gsr_interface: { offset: 0, size: 4 },
        gsr_group: { offset: 8, size: 128 },
        gsr_source: { offset: 136, size: 128 },
      },
    },
    sock_extended_err: {
      size: 16,
      fields: {
        ee_errno: { offset: 0, size: 4 },
        ee_origin: { offset: 4, size: 1 },
        ee_type: { offset: 5, size: 1 },
        ee_code: { offset: 6, size: 1 },
        ee_info: { offset: 8, size: 4 },
        ee_data: { offset: 12, size: 4 },
      },
    },
  },
} as const;

/** macOS, with the numbers of RFC 3542. */
export const darwinMessages = {
  constants: {
    SOCK_SEQPACKET: 5,
    IPPROTO_UDP: 17,
    MSG_EOR: 8,
    SCM_TIMESTAMP: 2,
    IP_TTL: 4,
    IP_TOS: 3,
    IP_RECVTTL: 24,
    IP_RECVTOS: 27,
    IPV6_PKTINFO: 46,
    IPV6_HOPLIMIT: 47,
    IPV6_TCLASS: 36,
    MCAST_JOIN_GROUP: 80,
    MCAST_LEAVE_GROUP: 81,
    MCAST_JOIN_SOURCE_GROUP: 82,
    MCAST_LEAVE_SOURCE_GROUP: 83,
    SCM_CREDS: 3,
    IP_PKTINFO: 26,
    IP_RECVDSTADDR: 7,
  },
  structs: {
    in_pktinfo: {
      size: 12,
      fields: {
        ipi_ifindex: { offset: 0, size: 4 },
        ipi_spec_dst: { offset: 4, size: 4 },
        ipi_addr: { offset: 8, size: 4 },
      },
    },
    in6_pktinfo: {
      size: 20,
      fields: {
        ipi6_addr: { offset: 0, size: 16 },
        ipi6_ifindex: { offset: 16, size: 4 },
      },
    },
    ip_mreqn: {
      size: 12,
      fields: {
        imr_multiaddr: { offset: 0, size: 4 },
        imr_address: { offset: 4, size: 4 },
        imr_ifindex: { offset: 8, size: 4 },
      },
    },
    ip_mreq_source: {
      size: 12,
      fields: {
        imr_multiaddr: { offset: 0, size: 4 },
        imr_interface: { offset: 8, size: 4 },
        imr_sourceaddr: { offset: 4, size: 4 },
      },
    },
    ipv6_mreq: {
      size: 20,
      fields: {
        ipv6mr_multiaddr: { offset: 0, size: 16 },
        ipv6mr_interface: { offset: 16, size: 4 },
      },
    },
    group_req: {
      size: 132,
      fields: {
        gr_interface: { offset: 0, size: 4 },
        gr_group: { offset: 4, size: 128 },
      },
    },
    group_source_req: {
      size: 260,
      fields: {
        gsr_interface: { offset: 0, size: 4 },
        gsr_group: { offset: 4, size: 128 },
        gsr_source: { offset: 132, size: 128 },
      },
    },
  },
} as const;

/** FreeBSD. */
export const freebsdMessages = {
  constants: {
    SOCK_SEQPACKET: 5,
    IPPROTO_UDP: 17,
    MSG_EOR: 8,
    SCM_TIMESTAMP: 2,
    IP_TTL: 4,
    IP_TOS: 3,
    IP_RECVTTL: 65,
    IP_RECVTOS: 68,
    IPV6_PKTINFO: 46,
    IPV6_HOPLIMIT: 47,
    IPV6_TCLASS: 61,
    MCAST_JOIN_GROUP: 80,
    MCAST_LEAVE_GROUP: 81,
    MCAST_JOIN_SOURCE_GROUP: 82,
    MCAST_LEAVE_SOURCE_GROUP: 83,
    SCM_CREDS: 3,
    SCM_CREDS2: 8,
    SCM_REALTIME: 5,
    SCM_MONOTONIC: 6,
    IP_RECVDSTADDR: 7,
    IP_SENDSRCADDR: 7,
  },
  structs: {
    mmsghdr: {
      size: 56,
      fields: {
        msg_hdr: { offset: 0, size: 48 },
        msg_len: { offset: 48, size: 8 },
      },
    },
    in6_pktinfo: {
      size: 20,
      fields: {
        ipi6_addr: { offset: 0, size: 16 },
        ipi6_ifindex: { offset: 16, size: 4 },
      },
    },
    ip_mreqn: {
      size: 12,
      fields: {
        imr_multiaddr: { offset: 0, size: 4 },
        imr_address: { offset: 4, size: 4 },
        imr_ifindex: { offset: 8, size: 4 },
      },
    },
    ip_mreq_source: {
      size: 12,
      fields: {
        imr_multiaddr: { offset: 0, size: 4 },
        imr_interface: { offset: 8, size: 4 },
        imr_sourceaddr: { offset: 4, size: 4 },
      },
    },
    ipv6_mreq: {
      size: 20,
      fields: {
        ipv6mr_multiaddr: { offset: 0, size: 16 },
        ipv6mr_interface: { offset: 16, size: 4 },
      },
    },
    group_req: {
      size: 136,
      fields: {
        gr_interface: { offset: 0, size: 4 },
        gr_group: { offset: 8, size: 128 },
      },
    },
    group_source_req: {
      size: 264,
      fields: {
        gsr_interface: { offset: 0, size: 4 },
        gsr_group: { offset: 8, size: 128 },
        gsr_source: { offset: 136, size: 128 },
      },
    },
    cmsgcred: {
      size: 84,
      fields: {
        cmcred_pid: { offset: 0, size: 4 },
        cmcred_uid: { offset: 4, size: 4 },
        cmcred_gid: { offset: 12, size: 4 },
      },
    },
    sockcred2: {
      size: 32,
      fields: {
        sc_pid: { offset: 4, size: 4 },
        sc_uid: { offset: 8, size: 4 },
        sc_gid: { offset: 16, size: 4 },
      },
    },
  },
} as const;
