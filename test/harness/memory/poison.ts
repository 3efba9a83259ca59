/** What is in memory that the kernel is to fill: who reads too late, or too far, sees it. */
export const POISON = 0xdd;
