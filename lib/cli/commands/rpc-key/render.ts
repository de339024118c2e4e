/** What `overfill rpc-key` says. */

/** @param name the key's, which is no secret */
export const renderKey = (file: string, name: string): string => `overfill: ${file} holds the new key ${name}\n`;
