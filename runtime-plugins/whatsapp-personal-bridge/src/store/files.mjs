// @ts-check
/** Names of the store's files in the auth dir. */

export const STORE_FILE = "bridge.db";
/** A backup on its way to become the store; complete as soon as the store's own name is free. */
export const RESTORED_DRAFT = "bridge.db.restored";
