// The first byte of what a client sends, and what Describe and Close speak of.

export const Q_QUERY = 0x51;
export const P_PARSE = 0x50;
export const B_BIND = 0x42;
export const D_DESCRIBE = 0x44;
export const E_EXECUTE = 0x45;
export const C_CLOSE = 0x43;
export const H_FLUSH = 0x48;
export const S_SYNC = 0x53;
export const X_TERMINATE = 0x58;
export const F_FUNCTION = 0x46;
export const D_COPY_DATA = 0x64;
export const C_COPY_DONE = 0x63;
export const F_COPY_FAIL = 0x66;
export const STATEMENT = 0x53;
